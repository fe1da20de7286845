package io.mla4j.lab;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.model.DecoderOptions;
import io.mla4j.text.Model;
import java.nio.file.Path;

/** Logits of a model's folder, in float32 throughout. */
final class Logits {
  private Logits() {}

  /** One row for each token of a text. */
  static float[][] of(Path directory, Device device, int[] text) {
    return of(directory, device, AttentionForm.AUTO, DecoderOptions.DEFAULT_CHUNK, text);
  }

  /** The same in a form of attention, in steps of {@code chunk} tokens. */
  static float[][] of(Path directory, Device device, AttentionForm form, int chunk, int[] text) {
    float[][] out = new float[text.length][];
    try (Model model =
        Model.builder(directory)
            .device(device)
            .compute(ComputeType.F32)
            .cacheType(CacheType.F32)
            .form(form)
            .chunk(chunk)
            .withoutTokenizer()
            .open()) {
      model.logits(new int[][] {text}, (_, position, row) -> out[position] = row.toArray());
    }
    return out;
  }

  /** The largest difference between two texts' logits. */
  static double apart(float[][] one, float[][] other) {
    double worst = 0;
    for (int t = 0; t < one.length; t++) {
      for (int i = 0; i < one[t].length; i++) {
        worst = Math.max(worst, Math.abs(one[t][i] - other[t][i]));
      }
    }
    return worst;
  }
}
