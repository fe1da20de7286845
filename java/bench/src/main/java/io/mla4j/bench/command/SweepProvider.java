package io.mla4j.bench.command;

import io.mla4j.cli.CommandProvider;
import io.mla4j.cli.StreamCommand;

/** Tells the command line of {@code sweep}. */
public final class SweepProvider implements CommandProvider {
  /** For {@link java.util.ServiceLoader}. */
  public SweepProvider() {}

  @Override
  public String name() {
    return "sweep";
  }

  @Override
  public StreamCommand create() {
    return new SweepCommand();
  }
}
