package io.mla4j.cli;

import java.util.Locale;

/** Numbers for people. */
final class Units {
  private static final String[] PREFIXES = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

  private Units() {}

  /** {@code 1.50 GiB}. */
  static String bytes(long bytes) {
    double value = bytes;
    int prefix = 0;
    while (value >= 1024) {
      value /= 1024;
      prefix++;
    }
    return prefix == 0
        ? bytes + " B"
        : String.format(Locale.ROOT, "%.2f %s", value, PREFIXES[prefix]);
  }
}
