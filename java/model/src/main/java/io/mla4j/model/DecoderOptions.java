package io.mla4j.model;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.Probabilities;

/**
 * How a decoder computes.
 *
 * @param compute what matrix products compute with
 * @param cacheType the type of cached numbers
 * @param form the form of attention
 * @param pageSize tokens in a page of the cache
 * @param chunk the most tokens of one step: longer prompts are cut
 * @param probabilities how probabilities are rounded where attention multiplies integers
 */
public record DecoderOptions(
    ComputeType compute,
    CacheType cacheType,
    AttentionForm form,
    int pageSize,
    int chunk,
    Probabilities probabilities) {
  /** Tokens of a step where nothing else is asked for. */
  public static final int DEFAULT_CHUNK = 512;

  /** Tokens of a page where nothing else is asked for. */
  public static final int DEFAULT_PAGE_SIZE = 64;

  private static final int MAX = 1 << 20;

  /**
   * Checks the ranges.
   *
   * @throws InvalidArgumentException naming what is out of its range
   */
  public DecoderOptions {
    if (pageSize < 1 || pageSize > MAX) {
      throw new InvalidArgumentException("page size is " + pageSize + ", but must be in 1.." + MAX);
    }
    if (chunk < 1 || chunk > MAX) {
      throw new InvalidArgumentException("chunk is " + chunk + ", but must be in 1.." + MAX);
    }
  }

  /** With probabilities of 8 bits. */
  public DecoderOptions(
      ComputeType compute, CacheType cacheType, AttentionForm form, int pageSize, int chunk) {
    this(compute, cacheType, form, pageSize, chunk, Probabilities.BITS_8);
  }

  /**
   * What is fast on {@code device}, with a bf16 cache where it does not compute in float32.
   *
   * @param quantised whether the model's matrices are, see {@link
   *     io.mla4j.checkpoint.WeightTable#isQuantised}
   */
  public static DecoderOptions defaults(Device device, boolean quantised) {
    return of(device.preferredComputeType(quantised));
  }

  /** The defaults for a compute type: the cache holds the numbers that are computed with. */
  public static DecoderOptions of(ComputeType compute) {
    CacheType cacheType = compute == ComputeType.F32 ? CacheType.F32 : CacheType.BF16;
    return new DecoderOptions(
        compute, cacheType, AttentionForm.AUTO, DEFAULT_PAGE_SIZE, DEFAULT_CHUNK);
  }
}
