package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.MlaShape;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Routing;
import io.mla4j.position.RopeScaling;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeSet;

/**
 * Makes a {@link ModelDescription} from {@code config.json} and, for more ids that end a text,
 * {@code generation_config.json}.
 *
 * <p>Absent keys mean what the family's class in Hugging Face transformers means by it. Every value
 * is checked for type and range. A key that changes the forward pass and is not supported is
 * refused by name.
 */
public final class ConfigReader {
  private static final long MAX_BYTES = 10_000_000;
  private static final int MAX_WIDTH = 1 << 20;
  private static final int MAX_HEADS = 1 << 16;
  private static final int MAX_LAYERS = 4096;
  private static final int MAX_VOCABULARY = 1 << 24;

  /**
   * The latents' norms are built without an epsilon in the reference code, so they have the default
   * of its norm.
   */
  private static final float LATENT_NORM_EPS = 1e-6f;

  private final Path file;
  private final ConfigKeys keys;
  private final Family family;
  private final Family.Defaults defaults;

  private ConfigReader(Path file, ConfigKeys keys, Family family) {
    this.file = file;
    this.keys = keys;
    this.family = family;
    this.defaults = family.defaults();
  }

  /**
   * Reads the configuration of the model in {@code directory}.
   *
   * @throws CheckpointException naming the file and the key that is malformed, out of range, or not
   *     supported
   */
  public static ModelDescription read(Path directory) {
    Path file = directory.resolve("config.json");
    JsonNode object = Json.readObject(file, MAX_BYTES);
    ConfigKeys keys = new ConfigKeys(file, "", object);
    String modelType =
        keys.text("model_type")
            .orElseThrow(
                () -> keys.error("model_type", "is missing; supported are " + Family.supported()));
    Family family =
        Family.named(modelType)
            .orElseThrow(
                () ->
                    keys.error(
                        "model_type",
                        "is "
                            + Quote.name(modelType)
                            + ", which is not supported; supported are "
                            + Family.supported()));
    return new ConfigReader(file, keys, family).read();
  }

  private ModelDescription read() {
    refuseUnsupported();
    int vocabulary = keys.wholeNumber("vocab_size", defaults.vocabulary(), 1, MAX_VOCABULARY);
    int hidden = keys.wholeNumber("hidden_size", defaults.hidden(), 1, MAX_WIDTH);
    double eps =
        keys.number("rms_norm_eps", 1e-6, x -> x > 0 && x <= 1, "a number above 0 and at most 1");
    int context =
        keys.wholeNumber("max_position_embeddings", defaults.context(), 1, Integer.MAX_VALUE);
    AttentionDescription attention = attention(context);
    List<LayerDescription> layers = layers(attention);
    boolean tied = keys.flag("tie_word_embeddings", defaults.tied());
    OptionalInt bos = idOr("bos_token_id", vocabulary, defaults.bos());
    List<Integer> eos = eos(vocabulary);
    for (String key : keys.unread()) {
      if (ForwardPassKeys.mayChangeForwardPass(key)) {
        throw keys.error(
            key,
            "is "
                + keys.show(key)
                + ", but is not supported in a model of type "
                + family.modelType()
                + " and may change what it computes");
      }
    }
    return new ModelDescription(
        family.modelType(),
        vocabulary,
        hidden,
        (float) eps,
        reach(context, attention.rope().scaling()),
        tied,
        1,
        1,
        layers,
        bos,
        eos,
        TensorNames.DEEPSEEK);
  }

  /** Dynamic scaling exists to go beyond the positions that it scales from. */
  private static int reach(int context, RopeScaling scaling) {
    return scaling instanceof RopeScaling.DynamicNtk dynamic
        ? (int) Math.clamp(Math.floor(context * dynamic.factor()), context, Integer.MAX_VALUE)
        : context;
  }

  private void refuseUnsupported() {
    keys.object("quantization_config")
        .ifPresent(
            quantization -> {
              throw keys.error(
                  "quantization_config",
                  "asks for "
                      + quantization.text("quant_method").map(Quote::name).orElse("quantised")
                      + " weights, which are not supported; supported are F32, BF16 and F16");
            });
    keys.require("hidden_act", "silu");
    keys.requireOff("mlp_bias");
    keys.wholeNumber("num_key_value_heads", 1, 1, MAX_HEADS);
  }

  private AttentionDescription attention(int context) {
    int heads = keys.wholeNumber("num_attention_heads", defaults.heads(), 1, MAX_HEADS);
    int latent = keys.wholeNumber("kv_lora_rank", defaults.latent(), 1, 4096);
    int nope = keys.wholeNumber("qk_nope_head_dim", defaults.nope(), 1, MAX_HEADS);
    int rope = keys.wholeNumber("qk_rope_head_dim", defaults.rope(), 0, 1024);
    if (rope % 2 != 0) {
      throw keys.error("qk_rope_head_dim", "is " + rope + ", but must be even");
    }
    int value = keys.wholeNumber("v_head_dim", defaults.value(), 1, MAX_HEADS);
    if ((long) heads * (nope + Math.max(rope, value)) > Integer.MAX_VALUE) {
      throw keys.error(
          "num_attention_heads",
          "is "
              + heads
              + ", but heads of "
              + nope
              + " + "
              + Math.max(rope, value)
              + " elements must have less than 2^31 together");
    }
    keys.wholeNumber("qk_head_dim", nope + rope, nope + rope, nope + rope);
    OptionalInt queryLatent = keys.wholeNumber("q_lora_rank", 1, MAX_WIDTH);
    if (queryLatent.isEmpty() && !keys.isNull("q_lora_rank")) {
      queryLatent = defaults.queryLatent();
    }
    RopeLayout layout = keys.flag("rope_interleave", true) ? RopeLayout.PAIRS : RopeLayout.HALVES;
    if (family == Family.DEEPSEEK_V2 && layout == RopeLayout.HALVES) {
      throw keys.error("rope_interleave", "is false, but deepseek_v2 rotates pairs");
    }
    RopeReader.Rope rotation = RopeReader.read(keys, rope, context, defaults.theta(), layout);
    return new AttentionDescription(
        new MlaShape(heads, latent, rope, nope, value),
        queryLatent,
        keys.flag("attention_bias", false),
        LATENT_NORM_EPS,
        (float) (rotation.scoreMultiplier() / Math.sqrt(nope + rope)),
        rotation.encoding());
  }

  private List<LayerDescription> layers(AttentionDescription attention) {
    int count = keys.wholeNumber("num_hidden_layers", defaults.layers(), 1, MAX_LAYERS);
    FfnDescription dense =
        new FfnDescription.Dense(
            keys.wholeNumber("intermediate_size", defaults.denseWidth(), 1, MAX_WIDTH));
    boolean[] sparse = sparseLayers(count);
    Optional<FfnDescription.Mixture> mixture = mixture(sparse);
    List<LayerDescription> layers = new ArrayList<>();
    for (boolean isSparse : sparse) {
      layers.add(new LayerDescription(attention, isSparse ? mixture.get() : dense));
    }
    return layers;
  }

  /**
   * The layers that have experts: those that {@code mlp_layer_types} calls sparse, else {@code i >=
   * first_k_dense_replace} and {@code i % moe_layer_freq == 0}.
   */
  private boolean[] sparseLayers(int count) {
    boolean[] sparse = new boolean[count];
    boolean noExperts = experts().isEmpty();
    int firstDense =
        keys.wholeNumber("first_k_dense_replace", defaults.firstDense(), 0, Integer.MAX_VALUE);
    int frequency = keys.wholeNumber("moe_layer_freq", 1, 1, Integer.MAX_VALUE);
    Optional<List<String>> types = keys.texts("mlp_layer_types");
    if (types.isPresent() && types.get().size() != count) {
      throw keys.error(
          "mlp_layer_types",
          "names " + types.get().size() + " layers, but num_hidden_layers is " + count);
    }
    for (int i = 0; i < count; i++) {
      if (types.isPresent()) {
        String type = types.get().get(i);
        if (!type.equals("dense") && !type.equals("sparse")) {
          throw keys.error(
              "mlp_layer_types",
              "has " + Quote.name(type) + ", but must have only 'dense' and 'sparse'");
        }
        if (type.equals("sparse") && noExperts) {
          throw keys.error(
              "mlp_layer_types", "has 'sparse', but the model has no n_routed_experts");
        }
        sparse[i] = type.equals("sparse");
      } else {
        sparse[i] = !noExperts && i >= firstDense && i % frequency == 0;
      }
    }
    return sparse;
  }

  /**
   * The number of routed experts; empty where all layers are dense. Both other names are aliases in
   * transformers.
   */
  private OptionalInt experts() {
    OptionalInt experts = OptionalInt.empty();
    boolean isNull = false;
    for (String key : List.of("n_routed_experts", "num_experts", "num_local_experts")) {
      OptionalInt value = keys.wholeNumber(key, 1, MAX_HEADS);
      isNull |= keys.isNull(key);
      if (value.isPresent() && experts.isPresent() && !value.equals(experts)) {
        throw keys.error(
            key, "is " + value.getAsInt() + ", but n_routed_experts is " + experts.getAsInt());
      }
      experts = value.isPresent() ? value : experts;
    }
    if (experts.isEmpty() && !isNull && defaults.experts() > 0) {
      return OptionalInt.of(defaults.experts());
    }
    return experts;
  }

  private Optional<FfnDescription.Mixture> mixture(boolean[] sparse) {
    int width =
        keys.wholeNumber("moe_intermediate_size", Math.max(defaults.moeWidth(), 1), 1, MAX_WIDTH);
    int shared =
        keys.isNull("n_shared_experts")
            ? 0
            : keys.wholeNumber("n_shared_experts", defaults.sharedExperts(), 0, 4096);
    OptionalInt topK = keys.wholeNumber("num_experts_per_tok", 1, MAX_HEADS);
    boolean renormalize = keys.flag("norm_topk_prob", defaults.renormalize());
    double scale =
        keys.number(
            "routed_scaling_factor", defaults.routedScale(), x -> x > 0, "a positive number");
    Optional<String> method = keys.text("topk_method");
    keys.text("scoring_func");
    OptionalInt groups = keys.wholeNumber("n_group", 1, MAX_HEADS);
    OptionalInt kept = keys.wholeNumber("topk_group", 1, MAX_HEADS);
    boolean anySparse = false;
    for (boolean isSparse : sparse) {
      anySparse |= isSparse;
    }
    if (!anySparse) {
      return Optional.empty();
    }
    Family.Router router =
        family
            .router()
            .orElseThrow(
                () ->
                    keys.error(
                        "n_routed_experts",
                        "is there, but " + family.modelType() + " has no experts"));
    keys.require("scoring_func", router.scoringFunc());
    boolean grouped = grouped(method);
    int experts = experts().getAsInt();
    int groupCount = !grouped ? 1 : orDefault("n_group", groups, defaults.groups());
    int keptCount = !grouped ? 1 : orDefault("topk_group", kept, defaults.keptGroups());
    int chosen =
        topK.orElseGet(
            () ->
                defaults.topK().orElseThrow(() -> keys.error("num_experts_per_tok", "is missing")));
    checkGroups(router, experts, groupCount, keptCount, chosen);
    boolean renormalized = renormalize && (!router.scaleExcludesRenormalize() || chosen > 1);
    Routing routing =
        new Routing(
            experts,
            chosen,
            router.score(),
            groupCount,
            keptCount,
            router.groupScore(),
            router.groupMask(),
            renormalized,
            renormalized && router.scaleExcludesRenormalize() ? 1 : (float) scale);
    if ((long) shared * width > MAX_WIDTH) {
      throw keys.error(
          "n_shared_experts",
          "is " + shared + ", but times moe_intermediate_size it must be at most " + MAX_WIDTH);
    }
    return Optional.of(
        new FfnDescription.Mixture(routing, router.choiceBias(), width, shared * width));
  }

  /** V2 has two methods, V3 one; V2's published code spells its default "gready". */
  private boolean grouped(Optional<String> method) {
    if (family != Family.DEEPSEEK_V2) {
      keys.require("topk_method", "noaux_tc");
      return true;
    }
    return switch (method.orElse("greedy")) {
      case "greedy", "gready" -> false;
      case "group_limited_greedy" -> true;
      default ->
          throw keys.error(
              "topk_method",
              "is "
                  + keys.show("topk_method")
                  + ", but deepseek_v2 has only 'greedy' and 'group_limited_greedy'");
    };
  }

  /** Null means one group. */
  private int orDefault(String key, OptionalInt value, OptionalInt absent) {
    return value.orElseGet(() -> keys.isNull(key) ? 1 : absent.orElse(1));
  }

  private void checkGroups(Family.Router router, int experts, int groups, int kept, int topK) {
    if (experts % groups != 0) {
      throw keys.error("n_group", "is " + groups + ", but must divide the " + experts + " experts");
    }
    int size = experts / groups;
    if (groups > 1 && router.groupScore() == Routing.GroupScore.TOP2_SUM && size < 2) {
      throw keys.error(
          "n_group", "is " + groups + ", but each group needs 2 of the " + experts + " experts");
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

  private OptionalInt idOr(String key, int vocabulary, int absent) {
    if (keys.isNull(key)) {
      return OptionalInt.empty();
    }
    OptionalInt id = keys.wholeNumber(key, 0, vocabulary - 1);
    return id.isPresent() || absent >= vocabulary ? id : OptionalInt.of(absent);
  }

  private List<Integer> eos(int vocabulary) {
    TreeSet<Integer> eos = new TreeSet<>(keys.wholeNumbers("eos_token_id", 0, vocabulary - 1));
    if (eos.isEmpty() && !keys.isNull("eos_token_id") && defaults.eos() < vocabulary) {
      eos.add(defaults.eos());
    }
    Path generation = file.resolveSibling("generation_config.json");
    if (Files.exists(generation)) {
      ConfigKeys more = new ConfigKeys(generation, "", Json.readObject(generation, MAX_BYTES));
      eos.addAll(more.wholeNumbers("eos_token_id", 0, vocabulary - 1));
    }
    return List.copyOf(eos);
  }
}
