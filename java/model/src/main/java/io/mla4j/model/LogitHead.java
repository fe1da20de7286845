package io.mla4j.model;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.mla4j.BoundOperation;
import io.mla4j.ops.Argmax;
import io.mla4j.ops.Linear;
import io.mla4j.ops.Mirror;
import io.mla4j.ops.Sample;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** {@code logits = W_out h}, in blocks of rows, and tokens chosen from them on the device. */
final class LogitHead implements AutoCloseable {
  /** Rows that are computed at once: a vocabulary is wide. */
  private static final int ROWS = 64;

  /** With it all tokens are equally likely; devices compute with float32. */
  private static final double MAX_TEMPERATURE = 1e30;

  private final Graph graph;
  private final Activations activations;
  private final int vocabulary;

  /** The projection of hidden states, bound, and where its result lies: (n, vocabulary). */
  private record Projected(Tensor hidden, Mirror rows, Tensor firstRow, BoundOperation project) {}

  /** By number of rows: steps of one and of several tokens take turns where guesses are checked. */
  private final Projected[] known = new Projected[ROWS + 1];

  LogitHead(Graph graph) {
    this.graph = graph;
    this.activations = new Activations(graph.device());
    this.vocabulary = graph.model().vocabulary();
  }

  /** The logits of every row of hidden (n, hidden). */
  void forEachRow(Tensor all, Decoder.LogitConsumer consumer) {
    int n = (int) all.dim(0);
    for (int begin = 0; begin < n; begin += ROWS) {
      int count = Math.min(ROWS, n - begin);
      Projected logits = project(count == n ? all : all.slice(begin, count));
      logits.rows.toHost();
      consumer.accept(begin, logits.firstRow);
      for (int i = 1; i < count; i++) {
        consumer.accept(begin + i, row(logits.rows.host(), i));
      }
    }
  }

  /** See {@link Decoder#choose}. */
  void choose(Tensor all, double temperature, int topK, double topP, float[] uniform, int[] ids) {
    int count = (int) all.dim(0);
    Mirror rows = project(all).rows;
    Mirror chosen = activations.mirror("ids", StorageFormat.I32, count, 1).reshape(count);
    if (temperature == 0) {
      graph.device().run(new Argmax(rows.onDevice(), chosen.onDevice()));
    } else {
      Mirror numbers = activations.mirror("uniform", StorageFormat.F32, count, 1).reshape(count);
      MemorySegment.copy(uniform, 0, numbers.host().segment(), JAVA_FLOAT, 0, count);
      numbers.toDevice();
      graph
          .device()
          .run(
              new Sample(
                  rows.onDevice(),
                  (float) Math.min(temperature, MAX_TEMPERATURE),
                  topK,
                  Math.max((float) topP, Float.MIN_NORMAL),
                  numbers.onDevice(),
                  chosen.onDevice()));
    }
    chosen.toHost();
    MemorySegment.copy(chosen.host().segment(), JAVA_INT, 0, ids, 0, count);
  }

  /** The logits of {@code hidden} (n, hidden), computed. */
  private Projected project(Tensor hidden) {
    int count = (int) hidden.dim(0);
    Projected last = known[count];
    if (last == null || last.hidden != hidden) {
      if (activations.reserve(count)) {
        Arrays.fill(known, null);
      }
      Mirror rows = activations.mirror("logits", StorageFormat.F32, count, vocabulary);
      last =
          new Projected(
              hidden,
              rows,
              row(rows.host(), 0),
              graph
                  .device()
                  .bind(
                      Linear.of(
                          hidden, graph.weights().output(), graph.compute(), rows.onDevice())));
      known[count] = last;
    }
    last.project.run();
    return last;
  }

  /** Row {@code i}, with a segment that ends where the row does. */
  private Tensor row(Tensor rows, int i) {
    long bytes = (long) vocabulary * Float.BYTES;
    return Tensor.of(rows.segment().asSlice(i * bytes, bytes), StorageFormat.F32, vocabulary);
  }

  @Override
  public void close() {
    activations.close();
  }
}
