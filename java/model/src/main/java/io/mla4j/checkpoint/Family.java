package io.mla4j.checkpoint;

import io.mla4j.checkpoint.FfnDescription.ChoiceBias;
import io.mla4j.ops.Routing;
import java.util.Arrays;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Collectors;

/**
 * What a {@code model_type} fixes by itself, and what it assumes where a key is absent (the
 * configuration classes of Hugging Face transformers 5.23).
 */
enum Family {
  /**
   * Softmax routing. Unselected groups count as 0, not as -infinity. With {@code norm_topk_prob}
   * the weights are renormalised and not scaled, as in the model's own code; transformers ignores
   * that key, and every published model has it false.
   */
  DEEPSEEK_V2(
      "deepseek_v2",
      new Defaults(
          102400,
          4096,
          11008,
          1407,
          32,
          32,
          OptionalInt.of(1536),
          512,
          128,
          64,
          128,
          2048,
          0,
          2,
          64,
          2,
          OptionalInt.empty(),
          false,
          1.0,
          OptionalInt.empty(),
          OptionalInt.empty(),
          0,
          false,
          10000),
      new Router(
          "softmax",
          Routing.Score.SOFTMAX,
          Routing.GroupScore.MAX,
          Routing.GroupMask.ZERO,
          ChoiceBias.NONE,
          true)),
  /** Sigmoid routing with a bias for the choice, groups ranked by their two best. */
  DEEPSEEK_V3("deepseek_v3", Defaults.V3, Router.V3),
  /** DeepSeek-V3 under another name. */
  KIMI_K2("kimi_k2", Defaults.V3, Router.V3),
  /** DeepSeek-V3 without experts, embedding tied. */
  YOUTU(
      "youtu",
      new Defaults(
          128256,
          2048,
          6144,
          0,
          32,
          16,
          OptionalInt.of(1536),
          512,
          128,
          64,
          128,
          131072,
          128000,
          128001,
          0,
          0,
          OptionalInt.empty(),
          true,
          1.0,
          OptionalInt.empty(),
          OptionalInt.empty(),
          0,
          true,
          10000),
      null);

  /**
   * Values of absent keys.
   *
   * @param moeWidth moe_intermediate_size
   * @param context max_position_embeddings
   */
  record Defaults(
      int vocabulary,
      int hidden,
      int denseWidth,
      int moeWidth,
      int layers,
      int heads,
      OptionalInt queryLatent,
      int latent,
      int nope,
      int rope,
      int value,
      int context,
      int bos,
      int eos,
      int experts,
      int sharedExperts,
      OptionalInt topK,
      boolean renormalize,
      double routedScale,
      OptionalInt groups,
      OptionalInt keptGroups,
      int firstDense,
      boolean tied,
      double theta) {
    static final Defaults V3 =
        new Defaults(
            129280,
            7168,
            18432,
            2048,
            61,
            128,
            OptionalInt.of(1536),
            512,
            128,
            64,
            128,
            4096,
            0,
            1,
            256,
            1,
            OptionalInt.of(8),
            true,
            2.5,
            OptionalInt.of(8),
            OptionalInt.of(4),
            3,
            false,
            10000);
  }

  /**
   * How experts are chosen.
   *
   * @param scoringFunc the only scoring_func
   * @param scaleExcludesRenormalize whether renormalised weights are not scaled
   */
  record Router(
      String scoringFunc,
      Routing.Score score,
      Routing.GroupScore groupScore,
      Routing.GroupMask groupMask,
      ChoiceBias choiceBias,
      boolean scaleExcludesRenormalize) {
    static final Router V3 =
        new Router(
            "sigmoid",
            Routing.Score.SIGMOID,
            Routing.GroupScore.TOP2_SUM,
            Routing.GroupMask.NEGATIVE_INFINITY,
            ChoiceBias.REQUIRED,
            false);
  }

  private final String modelType;
  private final Defaults defaults;
  private final Router router;

  Family(String modelType, Defaults defaults, Router router) {
    this.modelType = modelType;
    this.defaults = defaults;
    this.router = router;
  }

  /** The value of {@code model_type}. */
  String modelType() {
    return modelType;
  }

  /** What absent keys mean. */
  Defaults defaults() {
    return defaults;
  }

  /** How experts are chosen; empty in a family without experts. */
  Optional<Router> router() {
    return Optional.ofNullable(router);
  }

  /** The family called {@code modelType}. */
  static Optional<Family> named(String modelType) {
    return Arrays.stream(values()).filter(family -> family.modelType.equals(modelType)).findFirst();
  }

  /** The names of all families, for a message. */
  static String supported() {
    return Arrays.stream(values()).map(Family::modelType).collect(Collectors.joining(", "));
  }
}
