package io.mla4j;

import io.mla4j.ops.AttentionScore;
import java.util.Arrays;

/** The library example of README.md. */
final class ReadmeExample {
  private ReadmeExample() {}

  /** Runs it; the result of the last token. */
  static float[] run() {
    // begin
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
      float[] out = attention.decode(sequence, query); // (heads, latent)
      // end
      return out;
    }
  }
}
