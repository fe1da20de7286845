package io.mla4j.spi;

import io.mla4j.ComputeType;
import io.mla4j.ops.StorageFormat;

/**
 * Numbers of the attention of one sequence, {@code mla_attention_params}. Query t stands at
 * position {@code kvTokens - queryTokens + t}. Strides in elements.
 *
 * @param kvTokens cached tokens, the new ones included
 * @param nope decompressed form only: width of an unrotated query or key
 * @param value decompressed form only: width of a value
 * @param weightType decompressed form only: type of kv_b
 * @param scale of the dot product, from the model; there is no default
 * @param keyOffset absorbed form only: element of a row where its key starts. 0: the latent is part
 *     of the key; the layout's rope offset: rows hold a value and a key of their own, as in
 *     multi-query attention
 * @param weightHeadStride decompressed form only: between the kv_b rows of two heads
 * @param weightStride decompressed form only: between rows of kv_b
 */
public record AttentionParams(
    ComputeType compute,
    int heads,
    int queryTokens,
    int kvTokens,
    boolean causal,
    int nope,
    int value,
    StorageFormat weightType,
    int scaleBlockRows,
    int scaleBlockColumns,
    float scale,
    int keyOffset,
    long qTokenStride,
    long qHeadStride,
    long outTokenStride,
    long outHeadStride,
    long lseTokenStride,
    long lseHeadStride,
    long weightHeadStride,
    long weightStride) {}
