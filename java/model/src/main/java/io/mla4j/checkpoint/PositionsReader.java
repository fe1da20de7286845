package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.checkpoint.AttentionDescription.Mla;
import io.mla4j.position.AlibiSlopes;
import io.mla4j.position.RopeEncoding;
import io.mla4j.position.RopeScaling;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The keys of config.json that tell positions otherwise than by one rotation of all layers, and
 * widths otherwise than by one latent, which the family's {@code attention.positions} names:
 *
 * <dl>
 *   <dt>{@code kind}
 *   <dd>{@code rope}, which is what absence means; {@code alibi}: linear biases, and no rotated
 *       part; {@code none}
 *   <dt>{@code slopes}
 *   <dd>of ALiBi, one for each head, or such a list for each layer; absent: the paper's, and none
 *       beside a rotation
 *   <dt>{@code frequencies}
 *   <dd>for each layer a list of half as many numbers as are rotated, radians a position, in any
 *       order, repeats allowed; absent: those of theta
 *   <dt>{@code ranks}
 *   <dd>the latent's width of each layer, at most {@code kv_lora_rank}; absent: that
 * </dl>
 */
final class PositionsReader {
  private final ConfigKeys keys;
  private final JsonNode traits;

  PositionsReader(ConfigKeys keys, JsonNode traits) {
    this.keys = keys;
    this.traits = traits;
  }

  /** {@code count} layers that attend as {@code mla} does but for positions and latents. */
  List<AttentionDescription> layers(Mla mla, int count) {
    List<Mla> layers = positions(mla, count);
    String key = traits.path("ranks").asText();
    if (!keys.has(key)) {
      return List.copyOf(layers);
    }
    List<Integer> ranks = keys.wholeNumbers(key, 1, mla.shape().latent());
    if (ranks.size() != count) {
      throw keys.error(key, "must be a list of " + count + " numbers");
    }
    return IntStream.range(0, count)
        .mapToObj(i -> (AttentionDescription) layers.get(i).withLatent(ranks.get(i)))
        .toList();
  }

  private List<Mla> positions(Mla mla, int count) {
    String kindKey = traits.path("kind").asText();
    String slopesKey = traits.path("slopes").asText();
    String kind = keys.text(kindKey).orElse("rope");
    return switch (kind) {
      case "rope" -> rotated(mla, count, slopesKey);
      case "alibi" -> {
        requireNoRotation(kindKey, kind, mla);
        yield slopes(slopesKey, mla.shape().heads(), count).stream()
            .map(slopes -> mla.with(mla.rope(), slopes, mla.scoreScale()))
            .toList();
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

  private List<List<Float>> slopes(String key, int heads, int count) {
    if (keys.hasTable(key)) {
      return keys.table(key, count, heads, x -> x >= 0, "a number, 0 or more").stream()
          .map(PositionsReader::floats)
          .toList();
    }
    List<Float> slopes =
        keys.has(key)
            ? floats(keys.numbers(key, heads, x -> x >= 0, "a number, 0 or more"))
            : paper(heads);
    return Collections.nCopies(count, slopes);
  }

  private static List<Float> paper(int heads) {
    List<Float> slopes = new ArrayList<>();
    for (float slope : AlibiSlopes.of(heads)) {
      slopes.add(slope);
    }
    return slopes;
  }

  private static List<Float> floats(List<Double> row) {
    return row.stream().map(Double::floatValue).toList();
  }

  private List<Mla> rotated(Mla mla, int count, String slopesKey) {
    String key = traits.path("frequencies").asText();
    int half = mla.shape().rope() / 2;
    List<RopeEncoding> ropes = Collections.nCopies(count, mla.rope());
    if (keys.has(key)) {
      ropes =
          keys
              .table(key, count, half, x -> x >= 0, "a number, 0 or more, radians a position")
              .stream()
              .map(row -> new RopeScaling.Table(floats(row)))
              .map(
                  table ->
                      new RopeEncoding(2 * half, mla.rope().theta(), mla.rope().layout(), table))
              .toList();
    }
    List<List<Float>> slopes =
        keys.has(slopesKey)
            ? slopes(slopesKey, mla.shape().heads(), count)
            : Collections.nCopies(count, List.of());
    List<Mla> layers = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      layers.add(mla.with(ropes.get(i), slopes.get(i), mla.scoreScale()));
    }
    return layers;
  }
}
