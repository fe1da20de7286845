package io.mla4j.spi;

/**
 * Numbers of a merge of partial attention results, {@code mla_merge_params}. Strides in elements.
 */
public record MergeParams(
    int parts,
    int tokens,
    int heads,
    int width,
    long partStride,
    long partTokenStride,
    long partHeadStride,
    long partLseStride,
    long partLseTokenStride,
    long partLseHeadStride,
    long outTokenStride,
    long outHeadStride,
    long lseTokenStride,
    long lseHeadStride) {}
