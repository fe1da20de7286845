package io.mla4j.bench;

import io.mla4j.AttentionForm;
import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.ops.Probabilities;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * One way to compute.
 *
 * @param backend its name and instruction set
 * @param probabilities how they are rounded where attention multiplies integers
 */
record PrecisionSetting(
    Backends.Choice backend,
    CacheType cache,
    ComputeType compute,
    AttentionForm form,
    Probabilities probabilities) {
  PrecisionSetting(
      Backends.Choice backend, CacheType cache, ComputeType compute, AttentionForm form) {
    this(backend, cache, compute, form, Probabilities.BITS_8);
  }

  /**
   * All types of caches, compute types and both forms on these backends; where integers are
   * multiplied, probabilities of all kinds.
   */
  static List<PrecisionSetting> all(List<Backends.Choice> backends) {
    List<PrecisionSetting> all = new ArrayList<>();
    for (Backends.Choice backend : backends) {
      for (CacheType cache : CacheType.all()) {
        for (ComputeType compute : ComputeType.values()) {
          all.add(new PrecisionSetting(backend, cache, compute, AttentionForm.ABSORBED));
          if (cache.multipliesCodes(compute)) {
            all.add(
                new PrecisionSetting(
                    backend, cache, compute, AttentionForm.ABSORBED, Probabilities.BITS_15));
          }
          all.add(new PrecisionSetting(backend, cache, compute, AttentionForm.DECOMPRESSED));
        }
      }
    }
    return all;
  }

  /** What everything is compared with: nothing is rounded but by float32. */
  static PrecisionSetting reference(Backends.Choice backend) {
    return new PrecisionSetting(
        backend, CacheType.F32, ComputeType.F32, AttentionForm.DECOMPRESSED);
  }

  /** The types, as users write them. */
  String types() {
    return lower(cache) + " cache, " + lower(compute) + " compute" + bits();
  }

  /** The compute type, and the bits of probabilities where they are more than usual. */
  String computes() {
    return lower(compute) + bits();
  }

  private String bits() {
    return probabilities == Probabilities.BITS_8 ? "" : ", " + probabilities.bits() + " bits";
  }

  static String lower(Object name) {
    return name.toString().toLowerCase(Locale.ROOT);
  }
}
