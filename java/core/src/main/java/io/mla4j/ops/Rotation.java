package io.mla4j.ops;

/**
 * The rotations of the tokens of one step, in the order of the plan.
 *
 * @param cosines (n, rope / 2) F32, the attention factor multiplied in
 * @param sines (n, rope / 2) F32, the attention factor multiplied in
 * @param layout which elements form a pair
 */
public record Rotation(Tensor cosines, Tensor sines, RopeLayout layout) {}
