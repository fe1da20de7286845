package io.mla4j.spi;

import io.mla4j.ComputeType;
import io.mla4j.ops.StorageFormat;

/**
 * Numbers of a linear layer, {@code mla_linear_params}: rows x k times (n x k)^T. Strides in
 * elements.
 *
 * @param rows rows of x
 * @param k length of a row of x and of the weight
 * @param n rows of the weight
 * @param scaleBlockRows rows of the weight that share a scale, 0 without scales
 * @param scaleBlockColumns columns of the weight that share a scale, 0 without scales
 */
public record LinearParams(
    ComputeType compute,
    StorageFormat weightType,
    int rows,
    int k,
    int n,
    int scaleBlockRows,
    int scaleBlockColumns,
    long xStride,
    long weightStride,
    long yStride) {}
