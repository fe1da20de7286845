package io.mla4j.server;

import io.mla4j.engine.Histogram;

/** The text format 0.0.4 of Prometheus. */
final class PrometheusText {
  private final StringBuilder text = new StringBuilder(1 << 14);
  private final String label;

  /**
   * @param name of a label that all samples have
   */
  PrometheusText(String name, String value) {
    String escaped = value.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
    label = name + "=\"" + escaped + "\"";
  }

  void gauge(String name, String help, double value) {
    family(name, "gauge", help);
    sample(name, "", value);
  }

  void counter(String name, String help, double value) {
    family(name, "counter", help);
    sample(name, "", value);
  }

  void histogram(String name, String help, Histogram histogram) {
    family(name, "histogram", help);
    long sum = 0;
    for (int i = 0; i < histogram.counts().length; i++) {
      sum += histogram.counts()[i];
      String bound = i < histogram.bounds().length ? number(histogram.bounds()[i]) : "+Inf";
      sample(name + "_bucket", "le=\"" + bound + "\"", sum);
    }
    sample(name + "_sum", "", histogram.sum());
    sample(name + "_count", "", sum);
  }

  /** What the samples that follow are. */
  void family(String name, String type, String help) {
    text.append("# HELP ").append(name).append(' ').append(help).append('\n');
    text.append("# TYPE ").append(name).append(' ').append(type).append('\n');
  }

  /**
   * A value.
   *
   * @param labels more labels, or empty
   */
  void sample(String name, String labels, double value) {
    text.append(name).append('{').append(label);
    if (!labels.isEmpty()) {
      text.append(',').append(labels);
    }
    text.append("} ").append(number(value)).append('\n');
  }

  private static String number(double value) {
    return value == Math.rint(value) && Math.abs(value) < 1e15
        ? Long.toString((long) value)
        : Double.toString(value);
  }

  @Override
  public String toString() {
    return text.toString();
  }
}
