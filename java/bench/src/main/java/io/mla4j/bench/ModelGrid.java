package io.mla4j.bench;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.model.DecoderOptions;
import java.nio.file.Path;
import java.util.List;

/** Which runs of a model to measure. */
public final class ModelGrid extends Grid {
  /** Random weights, or null. */
  public Preset preset;

  /** A model's folder, or null where a preset is given. */
  public Path directory;

  /** Tokens of a prompt. */
  public List<Integer> prompts = List.of(512);

  /** Tokens of a generation. */
  public List<Integer> generated = List.of(64);

  /** Cached tokens before a generation. */
  public List<Integer> contexts = List.of(0, 4096, 16384);

  /** Empty for the type that is computed with. */
  public List<CacheType> cacheTypes = List.of();

  /** Of attention. */
  public List<AttentionForm> forms = List.of(AttentionForm.AUTO);

  /** Tokens of a page. */
  public List<Integer> pages = List.of(DecoderOptions.DEFAULT_PAGE_SIZE);
}
