package io.mla4j.text;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.checkpoint.PositionOverride;
import io.mla4j.model.DecoderOptions;
import io.mla4j.ops.Probabilities;
import org.jspecify.annotations.Nullable;

/** What a {@link Model.Builder} was told of how to compute. */
final class ComputeChoices {
  /** Null for what is fast. */
  @Nullable ComputeType compute;

  /** Null for what the configuration says. */
  @Nullable PositionOverride positions;

  /** Null for the compute type's. */
  @Nullable CacheType cacheType;

  AttentionForm form = AttentionForm.AUTO;
  Probabilities probabilities = Probabilities.BITS_8;
  int pageSize = DecoderOptions.DEFAULT_PAGE_SIZE;
  int chunk = DecoderOptions.DEFAULT_CHUNK;

  /** The choices, and for the rest what suits the device and a model, quantised or not. */
  DecoderOptions on(Device device, boolean quantised) {
    DecoderOptions usual =
        compute == null ? DecoderOptions.defaults(device, quantised) : DecoderOptions.of(compute);
    CacheType cached = cacheType == null ? usual.cacheType() : cacheType;
    return new DecoderOptions(usual.compute(), cached, form, pageSize, chunk, probabilities);
  }
}
