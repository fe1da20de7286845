package io.mla4j.model;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.mla4j.Batch;
import io.mla4j.ComputeType;
import io.mla4j.DecodePlan;
import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.Sequence;
import io.mla4j.Step;
import io.mla4j.checkpoint.AttentionDescription;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.ops.Mirror;
import io.mla4j.ops.Ops;
import io.mla4j.ops.Ops.Projection;
import io.mla4j.ops.Sampling;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Weight;
import io.mla4j.position.RopeEncoding;
import io.mla4j.position.RopeTable;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

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

  /** With it all tokens are equally likely; devices compute with float32. */
  private static final double MAX_TEMPERATURE = 1e30;

  private final ModelDescription model;
  private final DecoderOptions options;
  private final Device device;
  private final Ops ops;
  private final Arena arena = Arena.ofShared();
  private final DecoderWeights weights;
  private final List<MlaShape> shapes = new ArrayList<>();
  private final List<RopeEncoding> encodings = new ArrayList<>();
  private final List<RopeTable> ropeTables;
  private final int[] shapeOf;
  private final int[] encodingOf;
  private final Activations activations;
  private final Activations lastActivations;
  private final Activations logits;

  /** Of the last step, for the next one of as many tokens. */
  private Frame frame;

  /** Of the sequences' last tokens in the last layer, where the others' results are not needed. */
  private Frame lastFrame;

  private Mirror logitRows;
  private Tensor firstLogitRow;
  private List<Projection> toLogits;
  private final DecodePlan[] plans;

  /** Takes the bytes of weights that were copied to a device so far, and all that will be. */
  @FunctionalInterface
  public interface UploadListener {
    /** Called now and then, the last time with both equal; never where nothing is copied. */
    void uploaded(long bytes, long all);
  }

  /** As below, with a listener that does nothing. */
  public Decoder(
      ModelDescription model, WeightTable weights, Device device, DecoderOptions options) {
    this(model, weights, device, options, (_, _) -> {});
  }

  /**
   * A decoder over mapped weights, which must stay open. A device with memory of its own gets a
   * copy of them.
   *
   * @throws io.mla4j.DeviceMemoryException where the device lacks the memory for the weights,
   *     saying how many bytes are missing, before anything was copied
   * @throws io.mla4j.Mla4jException where the device lacks the memory for the norms
   */
  public Decoder(
      ModelDescription model,
      WeightTable weights,
      Device device,
      DecoderOptions options,
      UploadListener listener) {
    this.model = model;
    this.options = options;
    this.device = device;
    this.ops = device.ops();
    try {
      this.weights =
          DecoderWeights.load(model, weights, device, options.compute(), arena, listener);
    } catch (RuntimeException | Error e) {
      arena.close();
      throw e;
    }
    this.activations = new Activations(device);
    this.lastActivations = new Activations(device);
    this.logits = new Activations(device);
    int layers = model.layers().size();
    shapeOf = new int[layers];
    encodingOf = new int[layers];
    for (int i = 0; i < layers; i++) {
      AttentionDescription.Mla attention = model.layers().get(i).mla();
      shapeOf[i] = indexIn(shapes, attention.shape());
      encodingOf[i] = indexIn(encodings, attention.rope());
    }
    ropeTables = encodings.stream().map(RopeTable::new).toList();
    plans = new DecodePlan[shapes.size()];
  }

  /**
   * The index of {@code value} in {@code list}, where it is put if it is not there. Layers mostly
   * share one object; to compare two records for the first time takes the JVM milliseconds.
   */
  private static <T> int indexIn(List<T> list, T value) {
    for (int i = 0; i < list.size(); i++) {
      if (list.get(i) == value || list.get(i).equals(value)) {
        return i;
      }
    }
    list.add(value);
    return list.size() - 1;
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
        .layout(LatentLayout.of(model.layers().getFirst().mla().shape(), options.cacheType()))
        .layers(model.layers().size())
        .pageSize(options.pageSize())
        .pages(pages)
        .build();
  }

  /**
   * Runs {@code ids[i]} through sequence i of the batch and commits them.
   *
   * @return the hidden states after the final norm: (n, hidden), all sequences one after the other,
   *     valid until the next call, in the device's memory
   * @throws InvalidArgumentException where an id is outside of the vocabulary or a sequence would
   *     exceed the model's context; nothing was changed
   * @throws io.mla4j.CacheFullException where the pool has too few pages; nothing was changed
   */
  public Tensor forward(Batch batch, int[]... ids) {
    return forward(batch, ids, Wanted.ALL);
  }

  /**
   * As {@link #forward}, but for what follows each sequence's last new token only: the last layer
   * computes nothing of the others beyond their rows of the cache.
   *
   * @return the hidden states after the final norm: a row for each sequence that has new tokens
   */
  public Tensor forwardLast(Batch batch, int[]... ids) {
    return forward(batch, ids, Wanted.LAST);
  }

  /** As {@link #forward}, but only fills the cache: for what comes before the end of a prompt. */
  public void append(Batch batch, int[]... ids) {
    forward(batch, ids, Wanted.NONE);
  }

  /** Which hidden states a step is made for. */
  private enum Wanted {
    ALL,
    LAST,
    NONE
  }

  private Tensor forward(Batch batch, int[][] ids, Wanted wanted) {
    checkIds(batch, ids);
    int[] counts = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      counts[i] = ids[i].length;
    }
    try (Step step = batch.reserve(counts)) {
      Tensor hidden = forward(step, ids, wanted);
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

  private Tensor forward(Step step, int[][] ids, Wanted wanted) {
    if (frame == null || frame.n() != step.tokens()) {
      frame = Frame.of(step.tokens(), model, weights, encodings, activations);
    }
    for (int i = 0; i < plans.length; i++) {
      plans[i] = step.plan(shapes.get(i), options.form());
    }
    for (int i = 0; i < encodings.size(); i++) {
      fill(frame.angles().get(i), ropeTables.get(i), plans[0]);
    }
    writeIds(frame.ids(), ids);
    ops.embed(weights.embedding(), frame.ids().onDevice(), model.embedScale(), frame.x());
    int last = model.layers().size() - 1;
    for (int i = 0; i < last; i++) {
      layer(i);
    }
    Frame result = frame;
    if (wanted == Wanted.ALL || wanted == Wanted.LAST && everyTokenIsLast(ids)) {
      layer(last);
    } else {
      normForAttention(last);
      ops.linear(frame.h(), frame.layers().get(last).latentFromHidden(), options.compute());
      append(last);
      if (wanted == Wanted.NONE) {
        return null;
      }
      result = lastTokens(step, ids, last);
    }
    ops.rmsNorm(result.x(), weights.finalNorm(), model.normEps(), result.h());
    return result.h();
  }

  private static boolean everyTokenIsLast(int[][] ids) {
    for (int[] list : ids) {
      if (list.length > 1) {
        return false;
      }
    }
    return true;
  }

  private void layer(int i) {
    normForAttention(i);
    ops.linear(frame.h(), frame.layers().get(i).fromHidden(), options.compute());
    append(i);
    attend(i, frame, plans[shapeOf[i]]);
    feedForward(i, frame);
  }

  /**
   * The rest of layer {@code i}, whose rows of the cache are there and whose inputs are frame's x
   * and h, for the last token of each sequence.
   */
  private Frame lastTokens(Step step, int[][] ids, int i) {
    DecodePlan plan = step.planOfLastTokens(shapes.get(shapeOf[i]), options.form());
    if (lastFrame == null || lastFrame.n() != plan.tokens()) {
      lastFrame = Frame.of(plan.tokens(), model, weights, encodings, lastActivations);
    }
    fill(lastFrame.angles().get(encodingOf[i]), ropeTables.get(encodingOf[i]), plan);
    int end = 0;
    int at = 0;
    for (int[] list : ids) {
      end += list.length;
      if (list.length > 0) {
        lastFrame.ids().host().segment().setAtIndex(JAVA_INT, at++, end - 1);
      }
    }
    lastFrame.ids().toDevice();
    // Rows of a table by number: what an embedding is too.
    ops.embed(Weight.of(frame.x()), lastFrame.ids().onDevice(), 1, lastFrame.x());
    ops.embed(Weight.of(frame.h()), lastFrame.ids().onDevice(), 1, lastFrame.h());
    ops.linear(lastFrame.h(), lastFrame.layers().get(i).queriesFromHidden(), options.compute());
    attend(i, lastFrame, plan);
    feedForward(i, lastFrame);
    return lastFrame;
  }

  private void normForAttention(int i) {
    ops.rmsNorm(frame.x(), weights.layers().get(i).attentionNorm(), model.normEps(), frame.h());
  }

  /** The latent rows of all new tokens into the cache. */
  private void append(int i) {
    ops.appendLatent(
        plans[shapeOf[i]],
        i,
        frame.layers().get(i).latent(),
        weights.layers().get(i).attention().latentNorm(),
        model.layers().get(i).mla().latentNormEps(),
        frame.rotations().get(encodingOf[i]));
  }

  /** From what was projected from h to x plus the attention's result. */
  private void attend(int i, Frame f, DecodePlan plan) {
    DecoderWeights.Attention w = weights.layers().get(i).attention();
    Frame.Layer a = f.layers().get(i);
    ComputeType compute = options.compute();
    if (a.queryLatent() != null) {
      float eps = model.layers().get(i).mla().latentNormEps();
      ops.rmsNorm(a.queryLatent(), w.queryNorm(), eps, a.queryLatent());
      ops.linear(a.queryLatent(), a.fromQueryLatent(), compute);
    }
    ops.rotate(a.queries(), f.rotations().get(encodingOf[i]), a.queries());
    ops.attend(plan, i, a.queries(), w.latentUp(), a.score(), compute, a.values());
    ops.linear(a.flatValues(), a.fromValues(), compute);
    ops.add(f.x(), f.h(), model.residualScale(), f.x());
  }

  /** x plus the result of the feed-forward network. */
  private void feedForward(int i, Frame f) {
    DecoderWeights.Layer layer = weights.layers().get(i);
    ops.rmsNorm(f.x(), layer.ffnNorm(), model.normEps(), f.h());
    switch (layer.ffn()) {
      case DecoderWeights.Ffn.Dense dense ->
          ops.feedForward(f.h(), dense.weights(), options.compute(), f.ffn());
      case DecoderWeights.Ffn.Mixture mixture ->
          ops.mixture(f.h(), mixture.weights(), options.compute(), f.ffn());
    }
    ops.add(f.x(), f.ffn(), model.residualScale(), f.x());
  }

  private static void writeIds(Mirror tensor, int[][] ids) {
    int at = 0;
    for (int[] list : ids) {
      for (int id : list) {
        tensor.host().segment().setAtIndex(JAVA_INT, at++, id);
      }
    }
    tensor.toDevice();
  }

  private static void fill(Frame.Angles angles, RopeTable table, DecodePlan plan) {
    for (int i = 0; i < plan.sequences(); i++) {
      int count = plan.queryTokens(i);
      int first = plan.firstToken(i);
      Tensor cosines = angles.cosines().host();
      Tensor sines = angles.sines().host();
      if (count < plan.tokens()) {
        cosines = cosines.slice(first, count);
        sines = sines.slice(first, count);
      }
      table.fill(
          plan.kvTokens(i) - count, count, plan.kvTokens(i), cosines.segment(), sines.segment());
    }
    angles.cosines().toDevice();
    angles.sines().toDevice();
  }

  /**
   * The logits of hidden states: hidden (n, hidden) as {@link #forward} returns it, in blocks of
   * rows.
   *
   * @param consumer takes the logits of row i: (vocabulary) F32, valid during the call
   */
  public void logits(Tensor hidden, LogitConsumer consumer) {
    int all = (int) hidden.dim(0);
    for (int begin = 0; begin < all; begin += LOGIT_ROWS) {
      int count = Math.min(LOGIT_ROWS, all - begin);
      project(count == all ? hidden : hidden.slice(begin, count));
      logitRows.toHost();
      consumer.accept(begin, firstLogitRow);
      for (int i = 1; i < count; i++) {
        Tensor row = logitRows.host().slice(i, 1).reshape(model.vocabulary());
        consumer.accept(begin + i, row);
      }
    }
  }

  /**
   * The token that follows each of the rows, chosen on the device: the likeliest where the
   * temperature is 0, else one of the likeliest that the options leave.
   *
   * @param hidden (n, hidden) as {@link #forward} returns it, n at most 64
   * @param sampling the device's
   * @param temperature divisor of the logits
   * @param topK how many tokens stay at most; 0 for all
   * @param topP the likeliest tokens stay whose probabilities together reach this
   * @param uniform (n) in [0, 1), or null where the temperature is 0
   * @param ids (n) the result
   */
  public void choose(
      Tensor hidden,
      Sampling sampling,
      double temperature,
      int topK,
      double topP,
      float[] uniform,
      int[] ids) {
    int count = (int) hidden.dim(0);
    project(hidden);
    Mirror chosenIds = logits.mirror("ids", StorageFormat.I32, count, 1).reshape(count);
    if (temperature == 0) {
      sampling.argmax(logitRows.onDevice(), chosenIds.onDevice());
    } else {
      Mirror numbers = logits.mirror("uniform", StorageFormat.F32, count, 1).reshape(count);
      MemorySegment.copy(uniform, 0, numbers.host().segment(), JAVA_FLOAT, 0, count);
      numbers.toDevice();
      sampling.sample(
          logitRows.onDevice(),
          (float) Math.min(temperature, MAX_TEMPERATURE),
          topK,
          Math.max((float) topP, Float.MIN_NORMAL),
          numbers.onDevice(),
          chosenIds.onDevice());
    }
    chosenIds.toHost();
    MemorySegment.copy(chosenIds.host().segment(), JAVA_INT, 0, ids, 0, count);
  }

  /** hidden (n, hidden) becomes {@link #logitRows} (n, vocabulary). */
  private void project(Tensor hidden) {
    int count = (int) hidden.dim(0);
    if (logitRows == null || logitRows.host().dim(0) != count) {
      logits.reserve(count);
      logitRows = logits.mirror("logits", StorageFormat.F32, count, model.vocabulary());
      firstLogitRow = logitRows.host().first(1).reshape(model.vocabulary());
      toLogits = List.of(new Projection(weights.output(), null, logitRows.onDevice()));
    }
    ops.linear(hidden, toLogits, options.compute());
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
    lastActivations.close();
    logits.close();
    arena.close();
  }
}
