package io.mla4j.bench;

import static io.mla4j.bench.Axis.BACKEND;
import static io.mla4j.bench.Axis.BATCH;
import static io.mla4j.bench.Axis.BENCHMARK;
import static io.mla4j.bench.Axis.CACHE_TYPE;
import static io.mla4j.bench.Axis.COMPUTE;
import static io.mla4j.bench.Axis.FORM;
import static io.mla4j.bench.Axis.HEADS;
import static io.mla4j.bench.Axis.ISA;
import static io.mla4j.bench.Axis.KIND;
import static io.mla4j.bench.Axis.LIBRARY;
import static io.mla4j.bench.Axis.PAGE;
import static io.mla4j.bench.Axis.RESIDENCY;
import static io.mla4j.bench.Axis.SHAPE;
import static io.mla4j.bench.Axis.S_Q;
import static io.mla4j.bench.Axis.THREADS;
import static io.mla4j.bench.Axis.TOKENS;

import io.mla4j.Device;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What a row measures: values of the axes that apply. */
public final class Axes {
  private final Map<Axis, Object> values;

  private Axes(Map<Axis, Object> values) {
    this.values = values;
  }

  /** Those of one benchmark, with nothing else yet. */
  static Axes of(String benchmark) {
    return new Axes(Map.of()).with(BENCHMARK, benchmark);
  }

  /** With the backend, the instruction set and the threads of a device. */
  Axes on(Device device) {
    return with(BACKEND, device.backend()).with(ISA, device.isa()).with(THREADS, device.threads());
  }

  /** With a value: a text, a count, or anything whose name in lower case tells it; null is none. */
  Axes with(Axis axis, Object value) {
    Map<Axis, Object> next = new EnumMap<>(Axis.class);
    next.putAll(values);
    if (value == null || value.equals(axis.absent())) {
      next.remove(axis);
    } else {
      boolean asItIs = value instanceof String || value instanceof Integer;
      next.put(axis, asItIs ? value : value.toString().toLowerCase(Locale.ROOT));
    }
    return new Axes(next);
  }

  /** The value; null or 0 where the axis does not apply. */
  Object get(Axis axis) {
    return values.getOrDefault(axis, axis.absent());
  }

  /** The value, or null. */
  String text(Axis axis) {
    return (String) get(axis);
  }

  /** The value, or 0. */
  int count(Axis axis) {
    return (int) get(axis);
  }

  /** What a person is told about it. */
  String label() {
    return Stream.of(
            text(BENCHMARK),
            text(KIND),
            text(LIBRARY) == null ? text(BACKEND) : text(LIBRARY),
            text(ISA),
            text(FORM),
            text(SHAPE),
            counted(HEADS),
            counted(TOKENS),
            count(BATCH) > 1 ? "batch " + count(BATCH) : null,
            count(S_Q) > 1 && !text(BENCHMARK).equals("prefill") ? "s_q " + count(S_Q) : null,
            text(COMPUTE),
            text(CACHE_TYPE) == null ? null : "cache " + text(CACHE_TYPE),
            text(RESIDENCY),
            counted(THREADS))
        .filter(Objects::nonNull)
        .collect(Collectors.joining(" "));
  }

  private String counted(Axis axis) {
    return count(axis) == 0 ? null : count(axis) + " " + axis.id();
  }

  /** Whether memory is read again that is still in the processor's caches. */
  boolean isWarm() {
    return "warm".equals(text(RESIDENCY));
  }

  /** Without what changes sizes alone: rows where it is equal run the same code. */
  Axes code() {
    Axes code = this;
    for (Axis axis : new Axis[] {TOKENS, BATCH, THREADS, PAGE, RESIDENCY}) {
      code = code.with(axis, null);
    }
    return code;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Axes axes && values.equals(axes.values);
  }

  @Override
  public int hashCode() {
    return values.hashCode();
  }

  @Override
  public String toString() {
    return label();
  }
}
