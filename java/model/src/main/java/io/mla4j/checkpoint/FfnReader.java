package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.checkpoint.FfnDescription.Activation;
import io.mla4j.checkpoint.FfnDescription.ChoiceBias;
import io.mla4j.ops.Routing;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;

/**
 * The keys of config.json that describe the feed-forward networks, and the family's {@code router}:
 *
 * <dl>
 *   <dt>{@code scoring_func}
 *   <dd>the values that the key may have, of {@link Routing.Score}
 *   <dt>{@code topk_method}
 *   <dd>the values that the key may have: {@code grouped} and {@code ungrouped}
 *   <dt>{@code group_score}, {@code group_mask}, {@code choice_bias}
 *   <dd>of {@link Routing.GroupScore}, {@link Routing.GroupMask}, {@link ChoiceBias}
 *   <dt>{@code scale}
 *   <dd>{@code always}, or {@code unless_renormalized}
 *   <dt>{@code identities}
 *   <dd>the key that holds how many experts there are beyond {@code n_routed_experts} that return
 *       what they are given; absent: none
 *   <dt>{@code shared_width}
 *   <dd>the key that holds the inner width of a shared expert; absent: that of a routed one
 *   <dt>{@code limits}, {@code shared_limits}
 *   <dd>the keys that hold what limits the activation of routed and of shared experts, a number for
 *       each layer or one for all; 0: nothing, as where the key is absent
 *   <dt>{@code post_norm}
 *   <dd>whether the sum of all experts is normed
 * </dl>
 */
final class FfnReader {
  private static final int MAX_EXPERTS = 1 << 16;
  private static final String EXPERTS = "n_routed_experts";

  private final ConfigKeys keys;
  private final Family family;
  private final OptionalInt experts;

  private FfnReader(ConfigKeys keys, Family family) {
    this.keys = keys;
    this.family = family;
    this.experts = keys.orNone(EXPERTS, 1, MAX_EXPERTS);
  }

  /**
   * The networks of one layer of the file.
   *
   * @param dense a network for every token
   * @param mixture the mixture of experts, where the layer has one
   */
  record Networks(FfnDescription.Dense dense, Optional<FfnDescription.Mixture> mixture) {}

  /** The networks of {@code count} layers of the file. */
  static List<Networks> read(ConfigKeys keys, Family family, int count) {
    return new FfnReader(keys, family).read(count);
  }

  private List<Networks> read(int count) {
    boolean[] sparse = sparseLayers(count);
    boolean anySparse = false;
    for (boolean isSparse : sparse) {
      anySparse |= isSparse;
    }
    int width = keys.wholeNumber("intermediate_size", 1, ConfigReader.MAX_WIDTH);
    FfnDescription.Dense dense =
        new FfnDescription.Dense(
            width,
            family.trait(Activation.class, family.dense().path("activation").asText("swiglu")));
    Optional<FfnDescription.Mixture> mixture = mixture(anySparse);
    float[] limits = limits("limits", sparse);
    float[] sharedLimits = limits("shared_limits", sparse);
    List<Networks> networks = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      float limit = limits[i];
      float sharedLimit = sharedLimits[i];
      networks.add(
          new Networks(
              dense,
              (sparse[i] ? mixture : Optional.<FfnDescription.Mixture>empty())
                  .map(m -> m.limitedBy(limit, sharedLimit))));
    }
    return networks;
  }

  /** What limits activations in each layer, by the key that the router's {@code name} says. */
  private float[] limits(String name, boolean[] sparse) {
    float[] limits = new float[sparse.length];
    Arrays.fill(limits, Float.POSITIVE_INFINITY);
    String key = family.router().map(router -> router.path(name).asText()).orElse("");
    if (key.isEmpty() || !keys.has(key)) {
      return limits;
    }
    List<Double> values = keys.numbers(key, x -> x >= 0, "at least 0");
    if (values.size() != 1 && values.size() < limits.length) {
      throw keys.error(
          key, "has " + values.size() + " elements, but there are " + limits.length + " layers");
    }
    for (int i = 0; i < limits.length; i++) {
      double value = values.get(values.size() == 1 ? 0 : i);
      if (value > 0 && !sparse[i] && values.size() > 1) {
        throw keys.error(key, "has " + value + " for layer " + i + ", which has no experts");
      }
      limits[i] = value > 0 ? (float) value : limits[i];
    }
    return limits;
  }

  /**
   * The layers that have experts: those that {@code mlp_layer_types} calls sparse, else {@code i >=
   * first_k_dense_replace} and {@code i % moe_layer_freq == 0}.
   */
  private boolean[] sparseLayers(int count) {
    boolean[] sparse = new boolean[count];
    int firstSparse = keys.wholeNumber("first_k_dense_replace", 0, 0, Integer.MAX_VALUE);
    int frequency = keys.wholeNumber("moe_layer_freq", 1, 1, Integer.MAX_VALUE);
    Optional<List<String>> types = keys.texts("mlp_layer_types");
    if (types.isPresent() && types.get().size() != count) {
      throw keys.error(
          "mlp_layer_types",
          "names " + types.get().size() + " layers, but num_hidden_layers is " + count);
    }
    for (int i = 0; i < count; i++) {
      sparse[i] =
          types.isPresent()
              ? isSparse(types.get().get(i))
              : experts.isPresent() && i >= firstSparse && i % frequency == 0;
    }
    return sparse;
  }

  private boolean isSparse(String type) {
    if (!type.equals("dense") && !type.equals("sparse")) {
      throw keys.error(
          "mlp_layer_types",
          "has " + Quote.name(type) + ", but must have only 'dense' and 'sparse'");
    }
    if (type.equals("sparse") && experts.isEmpty()) {
      throw keys.error("mlp_layer_types", "has 'sparse', but the model has no " + EXPERTS);
    }
    return type.equals("sparse");
  }

  /**
   * The keys are looked at in a model without experts too; whether they fit does not matter then.
   */
  private Optional<FfnDescription.Mixture> mixture(boolean anySparse) {
    OptionalInt width = keys.orNone("moe_intermediate_size", 1, ConfigReader.MAX_WIDTH);
    int shared = keys.orNone("n_shared_experts", 0, 4096).orElse(0);
    OptionalInt topK = keys.orNone("num_experts_per_tok", 1, MAX_EXPERTS);
    boolean renormalize = keys.flag("norm_topk_prob", false);
    double scale = keys.number("routed_scaling_factor", 1, x -> x > 0, "a positive number");
    Optional<String> method = keys.text("topk_method");
    Optional<String> score = keys.text("scoring_func");
    int groups = keys.orNone("n_group", 1, MAX_EXPERTS).orElse(1);
    int kept = keys.orNone("topk_group", 1, MAX_EXPERTS).orElse(1);
    if (!anySparse) {
      return Optional.empty();
    }
    JsonNode router =
        family
            .router()
            .orElseThrow(
                () ->
                    keys.error(EXPERTS, "is there, but " + family.modelType() + " has no experts"));
    keys.require("scoring_func", router.path("scoring_func"));
    boolean grouped = grouped(method.orElse(""), router.path("topk_method"));
    boolean scaled = router.path("scale").asText().equals("always");
    int chosen = require("num_experts_per_tok", topK);
    int identities = identities(router.path("identities").asText());
    int count = experts.getAsInt() + identities;
    checkGroups(router, count, grouped ? groups : 1, grouped ? kept : 1, chosen);
    // with one expert there is nothing to renormalise where the scale comes instead
    boolean renormalized = renormalize && (scaled || chosen > 1);
    Routing routing =
        new Routing(
            count,
            chosen,
            family.trait(Routing.Score.class, score.orElse("")),
            grouped ? groups : 1,
            grouped ? kept : 1,
            family.trait(Routing.GroupScore.class, router.path("group_score").asText()),
            family.trait(Routing.GroupMask.class, router.path("group_mask").asText()),
            renormalized,
            renormalized && !scaled ? 1 : (float) scale);
    int expertWidth = require("moe_intermediate_size", width);
    String sharedKey = router.path("shared_width").asText();
    int sharedWidth =
        sharedKey.isEmpty()
            ? expertWidth
            : keys.wholeNumber(sharedKey, expertWidth, 1, ConfigReader.MAX_WIDTH);
    if ((long) shared * sharedWidth > ConfigReader.MAX_WIDTH) {
      throw keys.error(
          "n_shared_experts",
          "is "
              + shared
              + ", but times moe_intermediate_size it must be at most "
              + ConfigReader.MAX_WIDTH);
    }
    return Optional.of(
        new FfnDescription.Mixture(
            routing,
            family.trait(ChoiceBias.class, router.path("choice_bias").asText()),
            identities,
            expertWidth,
            shared * sharedWidth,
            Float.POSITIVE_INFINITY,
            Float.POSITIVE_INFINITY,
            router.path("post_norm").asBoolean()));
  }

  private int identities(String key) {
    return key.isEmpty() ? 0 : keys.wholeNumber(key, 0, 0, MAX_EXPERTS);
  }

  private void checkGroups(JsonNode router, int count, int groups, int kept, int topK) {
    if (count % groups != 0) {
      throw keys.error("n_group", "is " + groups + ", but must divide the " + count + " experts");
    }
    int size = count / groups;
    if (groups > 1 && size < 2 && router.path("group_score").asText().equals("top2_sum")) {
      throw keys.error(
          "n_group", "is " + groups + ", but each group needs 2 of the " + count + " experts");
    }
    if (kept > groups) {
      throw keys.error("topk_group", "is " + kept + ", but there are only " + groups + " groups");
    }
    if (topK > kept * size) {
      throw keys.error(
          "num_experts_per_tok",
          "is " + topK + ", but only " + kept * size + " experts can be chosen from");
    }
  }

  private int require(String key, OptionalInt value) {
    return value.orElseThrow(() -> keys.error(key, "is missing"));
  }

  /** Whether the method ranks groups before it chooses experts. */
  private boolean grouped(String method, JsonNode methods) {
    List<String> grouped = texts(methods.path("grouped"));
    List<String> ungrouped = texts(methods.path("ungrouped"));
    if (!grouped.contains(method) && !ungrouped.contains(method)) {
      throw keys.error(
          "topk_method",
          "is "
              + Quote.name(method)
              + ", but a model of type "
              + family.modelType()
              + " has only "
              + String.join(", ", Stream.concat(ungrouped.stream(), grouped.stream()).toList()));
    }
    return grouped.contains(method);
  }

  private static List<String> texts(JsonNode list) {
    return list.valueStream().map(JsonNode::asText).toList();
  }
}
