package io.mla4j.bench;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import java.nio.file.Path;
import java.util.List;

/**
 * Which runs of a model to measure: all combinations.
 *
 * @param preset random weights, or null
 * @param directory a model's folder, or null where a preset is given
 * @param prompts tokens of a prompt
 * @param generated tokens of a generation
 * @param contexts cached tokens before a generation
 * @param isas native instruction sets; empty for the one that is chosen
 * @param computes empty for the faster one of each device
 * @param cacheTypes empty for the type that is computed with
 */
public record ModelGrid(
    Preset preset,
    Path directory,
    List<Integer> prompts,
    List<Integer> generated,
    List<Integer> contexts,
    List<String> backends,
    List<String> isas,
    List<Integer> threads,
    List<ComputeType> computes,
    List<CacheType> cacheTypes,
    List<AttentionForm> forms,
    List<Integer> pages) {
  /** What is named twice is measured once. */
  public ModelGrid {
    prompts = Grids.distinct(prompts);
    generated = Grids.distinct(generated);
    contexts = Grids.distinct(contexts);
    backends = Grids.distinct(backends);
    isas = Grids.distinct(isas);
    threads = Grids.distinct(threads);
    computes = Grids.distinct(computes);
    cacheTypes = Grids.distinct(cacheTypes);
    forms = Grids.distinct(forms);
    pages = Grids.distinct(pages);
  }
}
