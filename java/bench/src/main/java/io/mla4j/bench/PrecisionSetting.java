package io.mla4j.bench;

import io.mla4j.AttentionForm;
import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * One way to compute.
 *
 * @param backend its name and instruction set
 */
record PrecisionSetting(
    Backends.Choice backend, CacheType cache, ComputeType compute, AttentionForm form) {
  /** All types of caches, compute types and both forms on these backends. */
  static List<PrecisionSetting> all(List<Backends.Choice> backends) {
    List<PrecisionSetting> all = new ArrayList<>();
    for (Backends.Choice backend : backends) {
      for (CacheType cache : CacheType.all()) {
        for (ComputeType compute : ComputeType.values()) {
          all.add(new PrecisionSetting(backend, cache, compute, AttentionForm.ABSORBED));
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
    return lower(cache) + " cache, " + lower(compute) + " compute";
  }

  static String lower(Object name) {
    return name.toString().toLowerCase(Locale.ROOT);
  }
}
