package io.mla4j.spi;

import io.mla4j.ComputeType;
import io.mla4j.MlaShape;
import io.mla4j.ops.Absorb;
import io.mla4j.ops.Expand;
import io.mla4j.ops.HeadMatrices;
import io.mla4j.ops.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * One small product for each head, as which {@link Absorb} and {@link Expand} are computed: {@code
 * y[t, h] = x[t, h] W_h}, with W_h transposed where it is out x in.
 */
public final class HeadProduct {
  private final ComputeType compute;
  private final HeadMatrices matrices;
  private final boolean transposed;

  /** Whether queries become latents, or latents values. */
  private final boolean absorbs;

  private final MlaShape shape;
  private final MemorySegment weight;
  private final Tensor x;
  private final Tensor y;

  private HeadProduct(
      ComputeType compute,
      HeadMatrices matrices,
      boolean absorbs,
      MlaShape shape,
      Tensor x,
      Tensor y) {
    this.compute = compute;
    this.matrices = matrices;
    this.absorbs = absorbs;
    this.shape = shape;
    this.transposed = absorbs != matrices.transposed();
    this.weight = matrices.segment();
    this.x = x;
    this.y = y;
  }

  /** W_UK^T onto the unrotated part of queries. */
  public static HeadProduct of(Absorb o) {
    MlaShape shape = o.shape();
    return new HeadProduct(o.compute(), o.up().keys(shape), true, shape, o.q(), o.out());
  }

  /** W_UV onto latents. */
  public static HeadProduct of(Expand o) {
    MlaShape shape = o.shape();
    return new HeadProduct(o.compute(), o.up().values(shape), false, shape, o.x(), o.out());
  }

  /** What is computed with. */
  public ComputeType compute() {
    return compute;
  }

  /** Whether it is one of integers, see {@link io.mla4j.ops.Int8}: sums run along stored rows. */
  public boolean multipliesCodes() {
    return !transposed && matrices.weight().multipliesCodes(compute);
  }

  /** The matrices of the heads. */
  public HeadMatrices matrices() {
    return matrices;
  }

  /** Tokens. */
  public int tokens() {
    return (int) x.dim(0);
  }

  /** Heads. */
  public int heads() {
    return shape.heads();
  }

  /** Length of x[t, h]. */
  public int in() {
    return absorbs ? shape.nope() : shape.latent();
  }

  /** Length of y[t, h]. */
  public int out() {
    return absorbs ? shape.latent() : shape.value();
  }

  /** False: W_h is out x in; true: it is in x out. */
  public boolean transposed() {
    return transposed;
  }

  /** The first head's matrix. */
  public MemorySegment weight() {
    return weight;
  }

  /** (tokens, heads, in ..) F32. */
  public MemorySegment x() {
    return x.segment();
  }

  /** Elements between tokens of x. */
  public long xTokenStride() {
    return x.stride(0);
  }

  /** Elements between heads of x. */
  public long xHeadStride() {
    return x.stride(1);
  }

  /** (tokens, heads, out ..) F32. */
  public MemorySegment y() {
    return y.segment();
  }

  /** Elements between tokens of y. */
  public long yTokenStride() {
    return y.stride(0);
  }

  /** Elements between heads of y. */
  public long yHeadStride() {
    return y.stride(1);
  }
}
