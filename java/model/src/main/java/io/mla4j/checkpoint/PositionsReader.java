package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.checkpoint.AttentionDescription.Mla;
import io.mla4j.position.AlibiSlopes;
import io.mla4j.position.RopeEncoding;
import io.mla4j.position.RopeScaling;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * The keys of config.json that tell positions otherwise than by one rotation of all layers, which
 * the family's {@code attention.positions} names:
 *
 * <dl>
 *   <dt>{@code kind}
 *   <dd>{@code rope}, which is what absence means; {@code alibi}: linear biases, and no rotated
 *       part; {@code none}
 *   <dt>{@code slopes}
 *   <dd>of ALiBi, one for each head; absent: the paper's
 *   <dt>{@code frequencies}
 *   <dd>for each layer a list of half as many numbers as are rotated, radians a position, in any
 *       order, repeats allowed; absent: those of theta
 * </dl>
 */
final class PositionsReader {
  private final ConfigKeys keys;
  private final JsonNode traits;

  PositionsReader(ConfigKeys keys, JsonNode traits) {
    this.keys = keys;
    this.traits = traits;
  }

  /** {@code count} layers that attend as {@code mla} does but for positions. */
  List<AttentionDescription> layers(Mla mla, int count) {
    String kindKey = traits.path("kind").asText();
    String slopesKey = traits.path("slopes").asText();
    String kind = keys.text(kindKey).orElse("rope");
    return switch (kind) {
      case "rope" -> rotated(mla, count);
      case "alibi" -> {
        requireNoRotation(kindKey, kind, mla);
        yield Collections.nCopies(
            count, mla.with(mla.rope(), slopes(slopesKey, mla.shape().heads()), mla.scoreScale()));
      }
      case "none" -> {
        requireNoRotation(kindKey, kind, mla);
        yield Collections.nCopies(count, mla);
      }
      default ->
          throw keys.error(
              kindKey, "is " + Quote.name(kind) + ", but must be one of rope, alibi, none");
    };
  }

  private void requireNoRotation(String key, String kind, Mla mla) {
    if (mla.shape().rope() != 0) {
      throw keys.error(
          key, "is " + kind + ", but qk_rope_head_dim is " + mla.shape().rope() + ", not 0");
    }
  }

  private List<Float> slopes(String key, int heads) {
    List<Float> slopes = new ArrayList<>();
    if (keys.has(key)) {
      keys.numbers(key, heads, x -> x >= 0, "a number, 0 or more")
          .forEach(slope -> slopes.add(slope.floatValue()));
    } else {
      for (float slope : AlibiSlopes.of(heads)) {
        slopes.add(slope);
      }
    }
    return slopes;
  }

  private List<AttentionDescription> rotated(Mla mla, int count) {
    String key = traits.path("frequencies").asText();
    if (!keys.has(key)) {
      return Collections.nCopies(count, mla);
    }
    int half = mla.shape().rope() / 2;
    List<AttentionDescription> layers = new ArrayList<>();
    for (List<Double> row :
        keys.table(key, count, half, x -> x >= 0, "a number, 0 or more, radians a position")) {
      RopeScaling.Table table =
          new RopeScaling.Table(row.stream().map(Double::floatValue).toList());
      RopeEncoding rope =
          new RopeEncoding(2 * half, mla.rope().theta(), mla.rope().layout(), table);
      layers.add(mla.with(rope, List.of(), mla.scoreScale()));
    }
    return layers;
  }
}
