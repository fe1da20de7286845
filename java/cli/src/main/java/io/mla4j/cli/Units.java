package io.mla4j.cli;

import io.mla4j.InvalidArgumentException;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Numbers for people. */
final class Units {
  private static final String[] PREFIXES = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

  private static final Pattern SIZE =
      Pattern.compile("(\\d{1,9}(?:[.]\\d{1,3})?)([KMGT]?)(?:i?B)?", Pattern.CASE_INSENSITIVE);

  private Units() {}

  /**
   * The bytes of {@code 512M}, {@code 1.5G} or {@code 4096}: units are powers of 1024.
   *
   * @throws InvalidArgumentException where it is no size
   */
  static long parse(String size) {
    Matcher found = SIZE.matcher(size);
    if (!found.matches()) {
      throw new InvalidArgumentException(size + " is no size: 512M and 1.5G are some");
    }
    String unit = found.group(2).toUpperCase(Locale.ROOT);
    double bytes =
        Double.parseDouble(found.group(1))
            * Math.pow(1024, unit.isEmpty() ? 0 : "KMGT".indexOf(unit) + 1);
    return (long) bytes;
  }

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
