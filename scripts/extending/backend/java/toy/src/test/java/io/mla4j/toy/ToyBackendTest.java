package io.mla4j.toy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.mla4j.Attention;
import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.Sequence;
import io.mla4j.ops.AttentionScore;
import org.junit.jupiter.api.Test;

/** Given the module on the class path, it is listed, chosen by its rank, and computes. */
class ToyBackendTest {
  @Test
  void isFoundChosenAndComputes() {
    assertEquals("toy", Backends.list().getFirst().name());
    float[] expected;
    try (Device scalar = Backends.open(new Backends.Choice("scalar", null, 1))) {
      expected = decode(scalar);
    }
    try (Device best = Backends.open()) {
      assertEquals("toy", best.backend());
      assertArrayEquals(expected, decode(best));
    }
  }

  private static float[] decode(Device device) {
    int heads = 2, latent = 16, rope = 4;
    float[] rows = new float[3 * (latent + rope)];
    float[] query = new float[heads * (latent + rope)];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = (float) Math.sin(i);
    }
    for (int i = 0; i < query.length; i++) {
      query[i] = (float) Math.cos(i);
    }
    try (LatentCache cache =
            LatentCache.builder(device)
                .layout(new LatentLayout(latent, rope, CacheType.BF16))
                .tokens(64)
                .build();
        Sequence sequence = cache.newSequence()) {
      Attention attention =
          Attention.absorbed(cache, heads, AttentionScore.of(0.2f), ComputeType.F32);
      attention.append(sequence, rows);
      return attention.decode(sequence, query);
    }
  }
}
