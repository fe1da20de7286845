package io.mla4j.spi;

import io.mla4j.ops.RopeLayout;

/**
 * Numbers of a rotation, {@code mla_rope_params}. Strides in elements.
 *
 * @param width elements of a head, the rotated ones last
 * @param rope how many are rotated, even
 */
public record RopeParams(
    int tokens,
    int heads,
    int width,
    int rope,
    RopeLayout ropeLayout,
    long xTokenStride,
    long xHeadStride,
    long yTokenStride,
    long yHeadStride) {}
