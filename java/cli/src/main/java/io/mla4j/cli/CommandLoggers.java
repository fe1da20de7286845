package io.mla4j.cli;

import java.util.ResourceBundle;

/**
 * The loggers of the command: warnings and errors as one line on stderr, nothing below. Found by
 * {@link java.util.ServiceLoader}; keeps java.util.logging out of the start.
 */
public final class CommandLoggers extends System.LoggerFinder {
  /** Made by the JDK. */
  public CommandLoggers() {}

  @Override
  public System.Logger getLogger(String name, Module module) {
    return new StderrLogger(name);
  }

  private record StderrLogger(String name) implements System.Logger {
    @Override
    public String getName() {
      return name;
    }

    @Override
    public boolean isLoggable(Level level) {
      return level.getSeverity() >= Level.WARNING.getSeverity() && level != Level.OFF;
    }

    @Override
    public void log(Level level, ResourceBundle bundle, String message, Throwable thrown) {
      if (isLoggable(level)) {
        System.err.println("mla4j: " + message + (thrown == null ? "" : ": " + thrown));
      }
    }

    @Override
    public void log(Level level, ResourceBundle bundle, String format, Object... arguments) {
      if (isLoggable(level)) {
        boolean plain = arguments == null || arguments.length == 0;
        System.err.println(
            "mla4j: " + (plain ? format : java.text.MessageFormat.format(format, arguments)));
      }
    }
  }
}
