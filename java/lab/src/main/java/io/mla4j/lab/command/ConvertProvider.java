package io.mla4j.lab.command;

import io.mla4j.cli.CommandProvider;
import io.mla4j.cli.StreamCommand;

/** Tells the command line of {@code convert}. */
public final class ConvertProvider implements CommandProvider {
  /** For {@link java.util.ServiceLoader}. */
  public ConvertProvider() {}

  @Override
  public String name() {
    return "convert";
  }

  @Override
  public StreamCommand create() {
    return new ConvertCommand();
  }
}
