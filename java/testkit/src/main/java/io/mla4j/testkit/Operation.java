package io.mla4j.testkit;

import java.util.function.Function;

/**
 * The table of operations: what every set of kernels computes, each with a generator of random
 * cases.
 */
public enum Operation {
  /** pack and linear. */
  LINEAR(LinearCase::new),
  /** headLinear. */
  HEAD_LINEAR(HeadLinearCase::new),
  /** attendAbsorbed. */
  ATTEND_ABSORBED(r -> new AttentionCase(r, false)),
  /** attendDecompressed. */
  ATTEND_DECOMPRESSED(r -> new AttentionCase(r, true)),
  /** append and attendAbsorbed of layers for each group of heads, on a device. */
  ATTEND_GROUPED(GroupedCase::new),
  /** merge. */
  MERGE(MergeCase::new),
  /** append. */
  APPEND(AppendCase::new),
  /** rope. */
  ROPE(RopeCase::new),
  /** rmsNorm. */
  RMS_NORM(r -> new RowCase(r, RowCase.Kind.RMS_NORM)),
  /** swiglu. */
  SWIGLU(r -> new RowCase(r, RowCase.Kind.SWIGLU)),
  /** gate. */
  GATE(GateCase::new),
  /** add. */
  ADD(r -> new RowCase(r, RowCase.Kind.ADD)),
  /** embed. */
  EMBED(EmbedCase::new),
  /** route. */
  ROUTE(RouteCase::new),
  /** combine. */
  COMBINE(CombineCase::new),
  /** attendDelta. */
  ATTEND_DELTA(DeltaCase::new),
  /** layerNorm. */
  LAYER_NORM(LayerNormCase::new),
  /** indexScores. */
  INDEX_SCORES(IndexScoresCase::new),
  /** topK. */
  TOP_K(TopKCase::new);

  private final Function<CaseRandom, OperationCase> generator;

  Operation(Function<CaseRandom, OperationCase> generator) {
    this.generator = generator;
  }

  /** The case of a seed, always the same. */
  public OperationCase random(long seed) {
    return generator.apply(new CaseRandom(seed * 31 + ordinal()));
  }
}
