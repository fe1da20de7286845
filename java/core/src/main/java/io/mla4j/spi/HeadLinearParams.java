package io.mla4j.spi;

import io.mla4j.ComputeType;
import io.mla4j.ops.StorageFormat;

/**
 * Numbers of one small linear per head, {@code mla_head_linear_params}. Strides in elements.
 *
 * @param in length of x[t, h]
 * @param out length of y[t, h]
 * @param transposed false: a head's matrix is out x in; true: it is in x out
 */
public record HeadLinearParams(
    ComputeType compute,
    StorageFormat weightType,
    int tokens,
    int heads,
    int in,
    int out,
    boolean transposed,
    int scaleBlockRows,
    int scaleBlockColumns,
    long xTokenStride,
    long xHeadStride,
    long yTokenStride,
    long yHeadStride,
    long weightHeadStride,
    long weightStride) {}
