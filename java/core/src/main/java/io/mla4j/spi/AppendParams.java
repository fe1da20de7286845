package io.mla4j.spi;

import io.mla4j.ops.RopeLayout;

/**
 * Numbers of an append to the cache, {@code mla_append_params}.
 *
 * @param position of token 0 in its sequence
 * @param eps of the latent's RMSNorm
 * @param aStride elements between rows of a
 */
public record AppendParams(
    int tokens, int position, RopeLayout ropeLayout, float eps, long aStride) {}
