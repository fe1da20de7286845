package io.mla4j.spi;

import io.mla4j.ComputeType;
import io.mla4j.MlaShape;
import io.mla4j.ops.Absorb;
import io.mla4j.ops.Expand;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import java.lang.foreign.MemorySegment;

/**
 * One small product for each head, as which {@link Absorb} and {@link Expand} are computed: {@code
 * y[t, h] = x[t, h] W_h}, with W_h transposed where it is out x in.
 */
public final class HeadProduct {
  private final ComputeType compute;
  private final Weight kvB;
  private final boolean transposed;
  private final MlaShape shape;
  private final MemorySegment weight;
  private final Tensor x;
  private final Tensor y;

  private HeadProduct(
      ComputeType compute, Weight kvB, MlaShape shape, boolean transposed, Tensor x, Tensor y) {
    this.compute = compute;
    this.kvB = kvB;
    this.shape = shape;
    this.transposed = transposed;
    this.weight = kvB.tensor().segmentFrom(transposed ? 0 : shape.nope());
    this.x = x;
    this.y = y;
  }

  /** W_UK^T onto the unrotated part of queries. */
  public static HeadProduct of(Absorb o) {
    return new HeadProduct(o.compute(), o.kvB(), o.shape(), true, o.q(), o.out());
  }

  /** W_UV onto latents. */
  public static HeadProduct of(Expand o) {
    return new HeadProduct(o.compute(), o.kvB(), o.shape(), false, o.x(), o.out());
  }

  /** What is computed with. */
  public ComputeType compute() {
    return compute;
  }

  /** How the weight is stored. */
  public StorageFormat weightType() {
    return kvB.format();
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
    return transposed ? shape.nope() : shape.latent();
  }

  /** Length of y[t, h]. */
  public int out() {
    return transposed ? shape.latent() : shape.value();
  }

  /** False: W_h is out x in; true: it is in x out. */
  public boolean transposed() {
    return transposed;
  }

  /** The first head's matrix. */
  public MemorySegment weight() {
    return weight;
  }

  /** Elements between the matrices of two heads. */
  public long weightHeadStride() {
    return (shape.nope() + shape.value()) * weightStride();
  }

  /** Elements between rows of a matrix. */
  public long weightStride() {
    return kvB.tensor().stride(0);
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
