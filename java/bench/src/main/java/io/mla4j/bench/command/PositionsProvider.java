package io.mla4j.bench.command;

import io.mla4j.cli.CommandProvider;
import io.mla4j.cli.StreamCommand;

/** Tells the command line of {@code positions}. */
public final class PositionsProvider implements CommandProvider {
  /** For {@link java.util.ServiceLoader}. */
  public PositionsProvider() {}

  @Override
  public String name() {
    return "positions";
  }

  @Override
  public StreamCommand create() {
    return new PositionsCommand();
  }
}
