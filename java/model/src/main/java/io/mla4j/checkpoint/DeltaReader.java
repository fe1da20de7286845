package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.InvalidArgumentException;
import io.mla4j.StateLayout;
import io.mla4j.checkpoint.AttentionDescription.Kda;
import io.mla4j.ops.AttendDelta.Decay;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The keys of config.json that describe layers of Kimi Delta Attention, and the family's {@code
 * attention.delta}:
 *
 * <dl>
 *   <dt>{@code config}
 *   <dd>the key of the object that holds the others; absent: they are beside all other keys
 *   <dt>{@code heads}, {@code width}, {@code taps}
 *   <dd>the keys of the number of heads, of a head's channels, and of the convolutions' inputs
 *   <dt>{@code layers}, {@code other_layers}
 *   <dd>the keys that list the layers with this attention and all others, counted from 1
 *   <dt>{@code group}
 *   <dd>instead of lists: the key of how many layers make a group, whose last one has the other
 *       attention; without lists and groups {@code layer_types} says it
 *   <dt>{@code bounded}, {@code bound}
 *   <dd>the keys that say whether the decay is {@link Decay.Bounded}, and by what; absent: it is
 *       {@link Decay.Softplus}
 *   <dt>{@code low_rank}
 *   <dd>whether the matrices of decay and gate are products of two, with a head's channels between
 * </dl>
 */
final class DeltaReader {
  private static final String LINEAR = "linear_attention";
  private static final String FULL = "full_attention";

  private final ConfigKeys config;
  private final ConfigKeys keys;
  private final JsonNode names;

  DeltaReader(ConfigKeys config, JsonNode names) {
    this.config = config;
    this.names = names;
    String object = names.path("config").asText();
    this.keys =
        object.isEmpty()
            ? config
            : config
                .object(object)
                .orElseThrow(
                    () ->
                        config.error(
                            object,
                            "is missing, but says which layers have which attention: the list that"
                                + " the model's class assumes is not that of published models"));
  }

  private String name(String what) {
    return names.path(what).asText();
  }

  /** The attention of the layers that have it. */
  Kda attention() {
    int heads = keys.wholeNumber(name("heads"), 1, 1 << 16);
    int width = keys.wholeNumber(name("width"), 1, 256);
    keys.wholeNumber(name("taps"), StateLayout.TAPS, StateLayout.TAPS);
    double eps = config.number("rms_norm_eps", x -> x > 0, "a number above 0");
    boolean lowRank = names.path("low_rank").asBoolean();
    return new Kda(
        new StateLayout(heads, width),
        lowRank ? OptionalInt.of(width) : OptionalInt.empty(),
        decay(),
        (float) eps);
  }

  /**
   * The key that tells the kind of decay must be there: without it a model of such a type may have
   * another linear attention.
   */
  private Decay decay() {
    String bounded = name("bounded");
    if (bounded.isEmpty()) {
      return new Decay.Softplus();
    }
    if (!keys.has(bounded)) {
      throw keys.error(bounded, "is missing: the model may have another linear attention");
    }
    String key = name("bound");
    double bound = keys.number(key, x -> x <= 0, "0 or a negative number");
    try {
      return keys.flag(bounded, true) ? new Decay.Bounded((float) bound) : new Decay.Softplus();
    } catch (InvalidArgumentException e) {
      throw keys.error(key, "is " + bound + ": " + e.getMessage());
    }
  }

  /** Which of {@code count} layers have it. */
  boolean[] layers(int count) {
    boolean[] delta = delta(count);
    boolean all = true;
    for (boolean layer : delta) {
      all &= layer;
    }
    if (all) {
      throw config.error(
          "num_hidden_layers", "is " + count + ", but no layer of them attends to latents");
    }
    requireTypes(delta);
    refuseUnread();
    return delta;
  }

  private void refuseUnread() {
    if (keys != config) {
      keys.unread().stream()
          .findFirst()
          .ifPresent(
              key -> {
                throw keys.error(key, "is " + keys.show(key) + ", but is not supported");
              });
    }
  }

  /** By the keys that published configurations have, or by the type of each layer alone. */
  private boolean[] delta(int count) {
    boolean grouped = !name("group").isEmpty();
    if (!keys.has(name(grouped ? "group" : "layers")) && config.has("layer_types")) {
      boolean[] delta = new boolean[count];
      List<String> types = config.texts("layer_types").orElseThrow();
      for (int i = 0; i < Math.min(count, types.size()); i++) {
        delta[i] = types.get(i).equals(LINEAR);
      }
      return delta;
    }
    return grouped ? grouped(count) : listed(count);
  }

  private boolean[] grouped(int count) {
    String key = name("group");
    int size = keys.wholeNumber(key, 1, Integer.MAX_VALUE);
    if (count % size != 0) {
      throw keys.error(
          key, "is " + size + ", but the " + count + " layers must be whole groups of so many");
    }
    boolean[] delta = new boolean[count];
    for (int i = 0; i < count; i++) {
      delta[i] = (i + 1) % size != 0;
    }
    return delta;
  }

  private boolean[] listed(int count) {
    boolean[] delta = new boolean[count];
    boolean[] seen = new boolean[count];
    for (String list : List.of(name("layers"), name("other_layers"))) {
      for (int number : keys.wholeNumbers(list, 1, count)) {
        if (seen[number - 1]) {
          throw keys.error(list, "names layer " + number + ", which is named before");
        }
        seen[number - 1] = true;
        delta[number - 1] = list.equals(name("layers"));
      }
    }
    for (int i = 0; i < count; i++) {
      if (!seen[i]) {
        throw keys.error(
            name("layers"),
            "does not name layer " + (i + 1) + ", nor does " + name("other_layers"));
      }
    }
    return delta;
  }

  /** Newer configurations say it once more for each layer. */
  private void requireTypes(boolean[] delta) {
    Optional<List<String>> types = config.texts("layer_types");
    if (types.isEmpty()) {
      return;
    }
    for (int i = 0; i < delta.length; i++) {
      if (types.get().size() != delta.length
          || !types.get().get(i).equals(delta[i] ? LINEAR : FULL)) {
        throw config.error(
            "layer_types",
            "does not say of the " + delta.length + " layers what the other keys say");
      }
    }
  }
}
