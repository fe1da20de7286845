package io.mla4j.bench.command;

import io.mla4j.cli.CommandProvider;
import io.mla4j.cli.StreamCommand;

/** Tells the command line of {@code bench}. */
public final class BenchProvider implements CommandProvider {
  /** For {@link java.util.ServiceLoader}. */
  public BenchProvider() {}

  @Override
  public String name() {
    return "bench";
  }

  @Override
  public StreamCommand create() {
    return new BenchCommand();
  }
}
