package io.mla4j.bench;

import java.util.Locale;

/** Figures as a person reads them. */
final class Figures {
  private Figures() {}

  static String number(Double value) {
    if (value == null || !Double.isFinite(value)) {
      return "";
    }
    return String.format(Locale.ROOT, value < 10 ? "%.2f" : "%.1f", value);
  }

  static String percent(Double share, int digits) {
    if (share == null || !Double.isFinite(share)) {
      return "";
    }
    return String.format(Locale.ROOT, "%." + digits + "f %%", 100 * share);
  }

  static String nanos(double nanos) {
    String unit = nanos < 1e3 ? "ns" : nanos < 1e6 ? "us" : nanos < 1e9 ? "ms" : "s";
    double value = nanos / (nanos < 1e3 ? 1 : nanos < 1e6 ? 1e3 : nanos < 1e9 ? 1e6 : 1e9);
    return String.format(Locale.ROOT, "%.4g %s", value, unit);
  }

  static String bytes(long bytes) {
    String[] units = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = bytes;
    int unit = 0;
    while (value >= 1024 && unit < units.length - 1) {
      value /= 1024;
      unit++;
    }
    return String.format(
        Locale.ROOT, value < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", value, units[unit]);
  }
}
