package consumer;

import io.mla4j.Attention;
import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.Sequence;
import io.mla4j.ops.AttentionScore;
import java.util.Arrays;

/** The README's attention over plain arrays: needs nothing but mla4j-core and mla4j-ffi. */
public final class OverArrays {
  private OverArrays() {}

  public static void main(String[] arguments) {
    float[] out = attention();
    long now = System.currentTimeMillis(); // formatting numbers takes a JVM that has just started long
    System.out.printf("attention: %d numbers, the first %.4f%n", out.length, out[0]);
    Long start = Long.getLong("consumer.start");
    if (start != null) {
      System.out.println("after " + (now - start) + " ms");
    }
  }

  public static float[] attention() {
    int heads = 16, latent = 512, rope = 64, tokens = 100;
    float[] rows = new float[tokens * (latent + rope)]; // a token: its latent, its rotated key
    float[] query = new float[heads * (latent + rope)]; // of the last token, absorbed and rotated
    Arrays.fill(rows, 0.5f);
    Arrays.fill(query, 0.1f);
    float scale = (float) (1 / Math.sqrt(128 + 64)); // of nope + rope: there is no default

    try (Device device = Backends.open();
        LatentCache cache =
            LatentCache.builder(device)
                .layout(new LatentLayout(latent, rope, CacheType.BF16))
                .tokens(4096)
                .build();
        Sequence sequence = cache.newSequence()) {
      Attention attention =
          Attention.absorbed(cache, heads, AttentionScore.of(scale), ComputeType.F32);
      attention.append(sequence, rows);
      return attention.decode(sequence, query); // (heads, latent)
    }
  }
}
