package io.mla4j.model;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.mla4j.AttentionScore;
import io.mla4j.Batch;
import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.Rotation;
import io.mla4j.Sequence;
import io.mla4j.Step;
import io.mla4j.Tensor;
import io.mla4j.TensorType;
import io.mla4j.position.RopeEncoding;
import io.mla4j.position.RopeTable;
import io.mla4j.spi.Device;
import io.mla4j.spi.Ops;
import io.mla4j.spi.Ops.Projection;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The forward pass of a model (DeepSeek-V2 section 2, DeepSeek-V3 section 2.1): ids in, hidden
 * states or logits out, latent rows into the cache.
 *
 * <pre>
 * x = embedScale * embedding[ids]
 * for each layer:
 *   h = norm(x);  q = W_UQ norm(W_DQ h);  [c | k] = W_DKV h
 *   cache (norm(c), rotate(k));  x += residualScale * W_O attend(rotate(q))
 *   x += residualScale * ffn(norm(x))
 * logits = W_out norm(x)
 * </pre>
 *
 * <p>Belongs to one thread at a time; several decoders may share a device.
 */
public final class Decoder implements AutoCloseable {
  /** Rows of logits that are computed at once: a vocabulary is wide. */
  private static final int LOGIT_ROWS = 64;

  private final ModelDescription model;
  private final DecoderOptions options;
  private final Device device;
  private final Ops ops;
  private final Arena arena = Arena.ofShared();
  private final DecoderWeights weights;
  private final Map<RopeEncoding, Rope> ropes = new HashMap<>();
  private final Activations activations;
  private final Activations logits;

  /**
   * A decoder over mapped weights, which must stay open.
   *
   * @throws io.mla4j.Mla4jException where the device lacks the memory for the norms
   */
  public Decoder(
      ModelDescription model, WeightTable weights, Device device, DecoderOptions options) {
    this.model = model;
    this.options = options;
    this.device = device;
    this.ops = device.ops();
    this.weights = DecoderWeights.load(model, weights, device, arena);
    this.activations = new Activations(device);
    this.logits = new Activations(device);
    for (LayerDescription layer : model.layers()) {
      ropes.computeIfAbsent(layer.attention().rope(), e -> new Rope(e, ropes.size()));
    }
  }

  /** What is computed. */
  public ModelDescription model() {
    return model;
  }

  /** How it is computed. */
  public DecoderOptions options() {
    return options;
  }

  /** The device that computes. */
  public Device device() {
    return device;
  }

  /** A pool for {@code sequences} sequences of up to {@code tokens} tokens each. */
  public LatentCache newCache(int sequences, int tokens) {
    long pages = (long) sequences * Math.ceilDiv(Math.max(1, tokens), options.pageSize());
    return LatentCache.builder(device)
        .layout(LatentLayout.of(model.layers().getFirst().attention().shape(), options.cacheType()))
        .layers(model.layers().size())
        .pageSize(options.pageSize())
        .pages(pages)
        .build();
  }

  /**
   * Runs {@code ids[i]} through sequence i of the batch and commits them.
   *
   * @return the hidden states after the final norm: (n, hidden), all sequences one after the other,
   *     valid until the next call
   * @throws InvalidArgumentException where an id is outside of the vocabulary or a sequence would
   *     exceed the model's context; nothing was changed
   * @throws io.mla4j.CacheFullException where the pool has too few pages; nothing was changed
   */
  public Tensor forward(Batch batch, int[]... ids) {
    checkIds(batch, ids);
    int[] counts = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      counts[i] = ids[i].length;
    }
    try (Step step = batch.reserve(counts)) {
      Tensor hidden = forward(step, ids);
      step.commit();
      return hidden;
    }
  }

  private void checkIds(Batch batch, int[][] ids) {
    if (ids.length != batch.sequences().size()) {
      throw new InvalidArgumentException(
          "ids has "
              + ids.length
              + " lists, but the batch has "
              + batch.sequences().size()
              + " sequences");
    }
    for (int i = 0; i < ids.length; i++) {
      Sequence sequence = batch.sequences().get(i);
      if (ids[i].length > model.context() - sequence.length()) {
        throw new InvalidArgumentException(
            "the sequence would have "
                + (sequence.length() + (long) ids[i].length)
                + " tokens, but the model's context is "
                + model.context());
      }
      for (int id : ids[i]) {
        if (id < 0 || id >= model.vocabulary()) {
          throw new InvalidArgumentException(
              "id is " + id + ", but the vocabulary is 0.." + (model.vocabulary() - 1));
        }
      }
    }
  }

  private Tensor forward(Step step, int[][] ids) {
    int n = step.tokens();
    int hidden = model.hidden();
    activations.reserve(n);
    Map<MlaShape, DecodePlan> plans = new HashMap<>();
    Map<RopeEncoding, Rotation> rotations = new HashMap<>();
    Tensor x = activations.rows("x", n, hidden);
    Tensor h = activations.rows("h", n, hidden);
    ops.embed(weights.embedding(), idTensor(n, ids), model.embedScale(), x);
    for (int i = 0; i < model.layers().size(); i++) {
      LayerDescription description = model.layers().get(i);
      DecoderWeights.Layer layer = weights.layers().get(i);
      AttentionDescription attention = description.attention();
      DecodePlan plan =
          plans.computeIfAbsent(attention.shape(), shape -> step.plan(shape, options.form()));
      Rotation rotation =
          rotations.computeIfAbsent(attention.rope(), encoding -> rotation(plan, encoding));
      ops.rmsNorm(x, layer.attentionNorm(), model.normEps(), h);
      attend(plan, i, attention, layer.attention(), rotation, h, h);
      ops.add(x, h, model.residualScale(), x);
      ops.rmsNorm(x, layer.ffnNorm(), model.normEps(), h);
      Tensor out = activations.rows("ffn", n, hidden);
      switch (layer.ffn()) {
        case DecoderWeights.Ffn.Dense dense ->
            ops.feedForward(h, dense.weights(), options.compute(), out);
        case DecoderWeights.Ffn.Mixture mixture ->
            ops.mixture(h, mixture.weights(), options.compute(), out);
      }
      ops.add(x, out, model.residualScale(), x);
    }
    ops.rmsNorm(x, weights.finalNorm(), model.normEps(), h);
    return h;
  }

  /** h (n, hidden) normed; out (n, hidden) may be h. */
  private void attend(
      DecodePlan plan,
      int layer,
      AttentionDescription attention,
      DecoderWeights.Attention w,
      Rotation rotation,
      Tensor h,
      Tensor out) {
    int n = plan.tokens();
    MlaShape shape = attention.shape();
    ComputeType compute = options.compute();
    Tensor latent = activations.rows("latent", n, shape.cached());
    Tensor q = activations.rows("q", n, shape.heads() * shape.query());
    Projection latentDown = new Projection(w.latentDown(), w.latentDownBias(), latent);
    if (w.queryDown() == null) {
      ops.linear(h, List.of(new Projection(w.queryUp(), null, q), latentDown), compute);
    } else {
      Tensor down = activations.rows("queryLatent", n, w.queryDown().out());
      ops.linear(
          h, List.of(new Projection(w.queryDown(), w.queryDownBias(), down), latentDown), compute);
      ops.rmsNorm(down, w.queryNorm(), attention.latentNormEps(), down);
      ops.linear(down, List.of(new Projection(w.queryUp(), null, q)), compute);
    }
    Tensor heads = q.reshape(n, shape.heads(), shape.query());
    ops.rotate(heads, rotation, heads);
    ops.appendLatent(plan, layer, latent, w.latentNorm(), attention.latentNormEps(), rotation);
    Tensor values = activations.rows("values", n, shape.heads() * shape.value());
    ops.attend(
        plan,
        layer,
        heads,
        w.latentUp(),
        AttentionScore.of(attention.scoreScale()),
        compute,
        values.reshape(n, shape.heads(), shape.value()));
    ops.linear(values, List.of(new Projection(w.output(), w.outputBias(), out)), compute);
  }

  private Tensor idTensor(int n, int[][] ids) {
    Tensor tensor = activations.rows("ids", TensorType.I32, n, 1).reshape(n);
    int at = 0;
    for (int[] list : ids) {
      for (int id : list) {
        tensor.segment().setAtIndex(JAVA_INT, at++, id);
      }
    }
    return tensor;
  }

  private Rotation rotation(DecodePlan plan, RopeEncoding encoding) {
    int n = plan.tokens();
    int pairs = encoding.width() / 2;
    Rope rope = ropes.get(encoding);
    Tensor cosines = activations.rows(rope.cosines, n, pairs);
    Tensor sines = activations.rows(rope.sines, n, pairs);
    for (int i = 0; i < plan.sequences(); i++) {
      int count = plan.queryTokens(i);
      rope.table.fill(
          plan.kvTokens(i) - count,
          count,
          plan.kvTokens(i),
          cosines.slice(plan.firstToken(i), count).segment(),
          sines.slice(plan.firstToken(i), count).segment());
    }
    return new Rotation(cosines, sines, encoding.layout());
  }

  /**
   * The logits of hidden states: hidden (n, hidden) as {@link #forward} returns it, in blocks of
   * rows.
   *
   * @param consumer takes the logits of row i: (vocabulary) F32, valid during the call
   */
  public void logits(Tensor hidden, LogitConsumer consumer) {
    int rows = (int) Math.min(LOGIT_ROWS, hidden.dim(0));
    logits.reserve(rows);
    for (int begin = 0; begin < hidden.dim(0); begin += rows) {
      int count = (int) Math.min(rows, hidden.dim(0) - begin);
      Tensor out = logits.rows("logits", count, model.vocabulary());
      ops.linear(
          hidden.slice(begin, count),
          List.of(new Projection(weights.output(), null, out)),
          options.compute());
      for (int i = 0; i < count; i++) {
        consumer.accept(begin + i, out.slice(i, 1).reshape(model.vocabulary()));
      }
    }
  }

  /** A rotary table and the names of its rows among the activations. */
  private record Rope(RopeTable table, String cosines, String sines) {
    Rope(RopeEncoding encoding, int index) {
      this(new RopeTable(encoding), "cosines" + index, "sines" + index);
    }
  }

  /** Takes logits row by row. */
  @FunctionalInterface
  public interface LogitConsumer {
    /** The logits of row {@code row}: (vocabulary) F32. */
    void accept(int row, Tensor logits);
  }

  @Override
  public void close() {
    activations.close();
    logits.close();
    arena.close();
  }
}
