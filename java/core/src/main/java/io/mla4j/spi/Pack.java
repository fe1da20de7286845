package io.mla4j.spi;

import io.mla4j.ops.Operation;

/**
 * Rows of activations as {@link Multiply} reads them, rounded where the compute type says so. A
 * tile's rows are those of x, beginning at a multiple of 16; its workspace is the packed form of
 * all rows.
 */
public record Pack(MatrixProduct product) implements Operation {}
