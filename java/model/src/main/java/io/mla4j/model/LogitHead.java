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

/** {@code logits = W_out h}, in blocks of rows, and tokens chosen from them on the device. */
final class LogitHead implements AutoCloseable {
  /** Rows that are computed at once: a vocabulary is wide. */
  private static final int ROWS = 64;

  /** With it all tokens are equally likely; devices compute with float32. */
  private static final double MAX_TEMPERATURE = 1e30;

  private final Graph graph;
  private final Activations activations;
  private final int vocabulary;

  private Mirror rows;
  private Tensor firstRow;

  /** What {@link #project} is bound to. */
  private Tensor hidden;

  private BoundOperation project;

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
      project(count == n ? all : all.slice(begin, count));
      rows.toHost();
      consumer.accept(begin, firstRow);
      for (int i = 1; i < count; i++) {
        consumer.accept(begin + i, rows.host().slice(i, 1).reshape(vocabulary));
      }
    }
  }

  /** See {@link Decoder#choose}. */
  void choose(Tensor all, double temperature, int topK, double topP, float[] uniform, int[] ids) {
    int count = (int) all.dim(0);
    project(all);
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

  /** {@link #rows} becomes (n, vocabulary). */
  private void project(Tensor next) {
    if (hidden != next) {
      int count = (int) next.dim(0);
      if (rows == null || rows.host().dim(0) != count) {
        activations.reserve(count);
        rows = activations.mirror("logits", StorageFormat.F32, count, vocabulary);
        firstRow = rows.host().first(1).reshape(vocabulary);
      }
      project =
          graph
              .device()
              .bind(Linear.of(next, graph.weights().output(), graph.compute(), rows.onDevice()));
      hidden = next;
    }
    project.run();
  }

  @Override
  public void close() {
    activations.close();
  }
}
