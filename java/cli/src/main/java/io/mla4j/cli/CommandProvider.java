package io.mla4j.cli;

/**
 * A command of another jar, found by {@link java.util.ServiceLoader}: what the usual ones need not
 * load.
 */
public interface CommandProvider {
  /** Its name on the command line. */
  String name();

  /** The command. */
  StreamCommand create();
}
