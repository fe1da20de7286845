package io.mla4j.spi;

import io.mla4j.ops.Operation;

/**
 * Packed activations times a weight. A tile's rows are those of the weight, for all rows of x; its
 * workspace is what {@link Pack} wrote.
 */
public record Multiply(MatrixProduct product) implements Operation {}
