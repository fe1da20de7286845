package io.mla4j.bench.command;

import io.mla4j.cli.CommandProvider;
import io.mla4j.cli.StreamCommand;

/** Tells the command line of {@code precision}. */
public final class PrecisionProvider implements CommandProvider {
  /** For {@link java.util.ServiceLoader}. */
  public PrecisionProvider() {}

  @Override
  public String name() {
    return "precision";
  }

  @Override
  public StreamCommand create() {
    return new PrecisionCommand();
  }
}
