package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.InvalidArgumentException;
import io.mla4j.checkpoint.AttentionDescription.QueryScale;
import io.mla4j.ops.RopeLayout;
import io.mla4j.position.RopeEncoding;
import io.mla4j.position.RopeScaling;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The rotary keys of a configuration: {@code rope_theta} with the older {@code rope_scaling}, or
 * {@code rope_parameters} with theta inside.
 */
final class RopeReader {
  /** Keys that say how frequencies are stretched. */
  static final Set<String> SCALING =
      Set.of(
          "type",
          "rope_type",
          "factor",
          "original_max_position_embeddings",
          "attention_factor",
          "beta_fast",
          "beta_slow",
          "mscale",
          "mscale_all_dim",
          "truncate",
          "low_freq_factor",
          "high_freq_factor",
          "short_factor",
          "long_factor");

  private static final Set<String> KEYS =
      Stream.concat(SCALING.stream(), Stream.of("rope_theta", "partial_rotary_factor"))
          .collect(Collectors.toUnmodifiableSet());

  private static final Map<String, String> OTHER_NAMES = Map.of("type", "rope_type");

  private static final Predicate<Double> IS_THETA = theta -> theta > 1;
  private static final String THETA = "a number above 1";

  private static final Predicate<Double> NOT_NEGATIVE = x -> x >= 0;
  private static final String NO_NEGATIVE = "0 or a positive number";

  private final ConfigKeys config;
  private final ConfigKeys rope;
  private final JsonNode attention;
  private final int context;

  private RopeReader(ConfigKeys config, ConfigKeys rope, JsonNode attention, int context) {
    this.config = config;
    this.rope = rope;
    this.attention = attention;
    this.context = context;
  }

  /**
   * What the keys say.
   *
   * @param encoding the rotation
   * @param scoreMultiplier the factor on 1 / sqrt(nope + rope): m(factor, mscale_all_dim)^2, or 1
   * @param queryScale the factor on queries by their position
   */
  record Rope(RopeEncoding encoding, double scoreMultiplier, Optional<QueryScale> queryScale) {
    /** An identity of the same width. */
    Rope withoutRotation() {
      return new Rope(
          new RopeEncoding(
              encoding.width(), encoding.theta(), encoding.layout(), new RopeScaling.NoRotation()),
          1,
          Optional.empty());
    }
  }

  /**
   * Reads them.
   *
   * @param attention the family's, see {@link AttentionReader}
   * @param width rotated elements
   * @param head elements of a head's query
   */
  static Rope read(
      ConfigKeys config, JsonNode attention, int width, int head, int context, RopeLayout layout) {
    Optional<ConfigKeys> older = config.object("rope_scaling").filter(keys -> !keys.isEmpty());
    // What a family assumes where its files are silent does not count beside the older key.
    Optional<ConfigKeys> newer =
        older.isPresent() && !config.has("rope_parameters")
            ? Optional.empty()
            : config.object("rope_parameters").filter(keys -> !keys.isEmpty());
    if (older.isPresent() && newer.isPresent()) {
      requireSame(config, older.get(), newer.get());
    }
    double theta = config.number("rope_theta", IS_THETA, THETA);
    Optional<ConfigKeys> present = older.or(() -> newer);
    double whole =
        attention.path("partial_rotary_of").asText().equals("head") ? (double) width / head : 1;
    requireWhole(config, whole);
    config.has("original_max_position_embeddings");
    if (present.isEmpty()) {
      return new Rope(
          encoding(config, "rope_theta", width, theta, layout, new RopeScaling.Unscaled()),
          1,
          Optional.empty());
    }
    ConfigKeys rope = present.get();
    requireWhole(rope, whole);
    return new RopeReader(config, rope, attention, context)
        .read(width, rope.number("rope_theta", theta, IS_THETA, THETA), layout);
  }

  /** Configurations for old and new readers say everything twice. */
  private static void requireSame(ConfigKeys config, ConfigKeys older, ConfigKeys newer) {
    Map<String, JsonNode> a = older.contents(OTHER_NAMES);
    Map<String, JsonNode> b = newer.contents(OTHER_NAMES);
    JsonNode theta = config.contents(Map.of()).get("rope_theta");
    if (theta != null) {
      a.putIfAbsent("rope_theta", theta);
      b.putIfAbsent("rope_theta", theta);
    }
    Set<String> keys = new TreeSet<>(a.keySet());
    keys.addAll(b.keySet());
    for (String key : keys) {
      if (!a.containsKey(key) || !b.containsKey(key) || !ConfigKeys.same(a.get(key), b.get(key))) {
        throw config.error(
            "rope_scaling", "and rope_parameters are both there and differ in " + Quote.name(key));
      }
    }
  }

  /** The factor counts of the rotated width itself, or of the whole head. */
  private static void requireWhole(ConfigKeys keys, double whole) {
    keys.number(
        "partial_rotary_factor",
        1,
        factor -> Math.abs(factor - whole) < 1e-6,
        (whole == 1 ? "1" : whole) + ": what is rotated is rotated whole");
  }

  private static RopeEncoding encoding(
      ConfigKeys keys,
      String key,
      int width,
      double theta,
      RopeLayout layout,
      RopeScaling scaling) {
    try {
      return new RopeEncoding(width, theta, layout, scaling);
    } catch (InvalidArgumentException e) {
      throw keys.error(key, "does not fit: " + e.getMessage());
    }
  }

  private Rope read(int width, double theta, RopeLayout layout) {
    KEYS.forEach(rope::has);
    attention.path("rope_keys").forEach(key -> rope.has(key.asText()));
    Optional<QueryScale> queryScale = queryScale(attention.path("query_scale").asText());
    for (String key : rope.unread()) {
      throw rope.error(key, "is not known, and may change the rotation");
    }
    Optional<String> type = rope.text("rope_type").or(() -> rope.text("type"));
    String name = type.orElse("default");
    RopeScaling scaling = scaling(name, width);
    double multiplier = 1;
    double mscaleAllDim = factorOrZero("mscale_all_dim");
    if (!name.equals("default") && mscaleAllDim != 0) {
      double m = RopeScaling.Yarn.mscale(factor(), mscaleAllDim);
      multiplier = m * m;
    }
    return new Rope(
        encoding(rope, "factor", width, theta, layout, scaling), multiplier, queryScale);
  }

  private Optional<QueryScale> queryScale(String key) {
    if (key.isEmpty()) {
      return Optional.empty();
    }
    double beta = rope.number(key, 0, NOT_NEGATIVE, NO_NEGATIVE);
    return beta == 0 ? Optional.empty() : Optional.of(new QueryScale(beta, originalContext()));
  }

  private RopeScaling scaling(String type, int width) {
    return switch (type) {
      case "default" -> new RopeScaling.Unscaled();
      case "linear" -> new RopeScaling.Linear(factor());
      case "ntk" -> new RopeScaling.Ntk(factor());
      case "dynamic" -> new RopeScaling.DynamicNtk(factor(), context);
      case "yarn", "deepseek_yarn" ->
          new RopeScaling.Yarn(
              factor(),
              originalContext(),
              betaOr("beta_fast", 32),
              betaOr("beta_slow", 1),
              rope.flag("truncate", true),
              rope.has("attention_factor")
                  ? positive("attention_factor", 1)
                  : RopeScaling.Yarn.attentionFactor(
                      factor(), factorOrZero("mscale"), factorOrZero("mscale_all_dim")));
      case "longrope", "su" ->
          new RopeScaling.LongRope(
              rope.numbers("short_factor", width / 2, x -> x > 0, "a positive number"),
              rope.numbers("long_factor", width / 2, x -> x > 0, "a positive number"),
              originalContext(),
              rope.has("attention_factor")
                  ? positive("attention_factor", 1)
                  : RopeScaling.LongRope.attentionFactor(factor(), originalContext()));
      case "llama3" -> {
        required("low_freq_factor");
        required("high_freq_factor");
        double low = positive("low_freq_factor", 1);
        yield new RopeScaling.Llama3(
            factor(),
            low,
            rope.number(
                "high_freq_factor",
                4,
                high -> high > low,
                "a number above low_freq_factor, " + low),
            originalContext());
      }
      default ->
          throw rope.error(
              rope.has("rope_type") ? "rope_type" : "type",
              "is "
                  + Quote.name(type)
                  + ", but must be one of default, linear, ntk, dynamic, yarn, longrope, llama3");
    };
  }

  private void required(String key) {
    if (!rope.has(key)) {
      throw rope.error(key, "is missing");
    }
  }

  /** Absent: the context divided by the original one, where the latter is given. */
  private double factor() {
    if (!rope.has("factor") && !hasOriginalContext()) {
      required("factor");
    }
    return positive("factor", (double) context / originalContext());
  }

  private boolean hasOriginalContext() {
    return rope.has("original_max_position_embeddings")
        || config.has("original_max_position_embeddings");
  }

  /** The key beside the rotary ones wins, as in transformers; absent: the whole context. */
  private int originalContext() {
    String key = "original_max_position_embeddings";
    int inside = rope.wholeNumber(key, context, 1, Integer.MAX_VALUE);
    return config.wholeNumber(key, inside, 1, Integer.MAX_VALUE);
  }

  private double positive(String key, double absent) {
    return rope.number(key, absent, x -> x > 0, "a positive number");
  }

  /** 0 counts as absent, as in transformers. */
  private double betaOr(String key, double absent) {
    double beta = factorOrZero(key);
    return beta == 0 ? absent : beta;
  }

  private double factorOrZero(String key) {
    return rope.number(key, 0, NOT_NEGATIVE, NO_NEGATIVE);
  }
}
