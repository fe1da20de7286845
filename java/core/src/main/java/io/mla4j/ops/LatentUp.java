package io.mla4j.ops;

import io.mla4j.InvalidArgumentException;
import io.mla4j.MlaShape;

/**
 * The up-projection from latents to keys and values (DeepSeek-V2, section 2.1.2), as a checkpoint
 * stores it: W_UK and W_UV of all heads. Read where it lies in both forms of attention.
 */
public sealed interface LatentUp {
  /**
   * One matrix, as kv_b_proj.
   *
   * @param latentUp (heads * (nope + value), latent): for each head the nope rows of W_UK, then the
   *     value rows of W_UV
   */
  record Fused(Weight latentUp) implements LatentUp {
    /** Checks that it is a matrix. */
    public Fused {
      Checks.requireMatrix("latentUp", latentUp);
    }

    @Override
    public int latent() {
      return Checks.toInt("latent", latentUp.tensor().dim(1));
    }

    @Override
    public int nope(int heads, int value) {
      return Checks.toInt("nope", latentUp.tensor().dim(0) / heads - value);
    }

    @Override
    public int value(int heads, int nope) {
      return Checks.toInt("value", latentUp.tensor().dim(0) / heads - nope);
    }

    @Override
    public HeadMatrices keys(MlaShape shape) {
      return new HeadMatrices(latentUp, 0, shape.nope() + shape.value(), false);
    }

    @Override
    public HeadMatrices values(MlaShape shape) {
      return new HeadMatrices(latentUp, shape.nope(), shape.nope() + shape.value(), false);
    }

    @Override
    public void requireFits(MlaShape shape) {
      long rows = (long) shape.heads() * (shape.nope() + shape.value());
      Checks.require("latentUp", latentUp, rows, shape.latent());
    }
  }

  /**
   * W_UK and W_UV apart.
   *
   * @param keys (heads * nope, latent), or transposed: (heads * latent, nope), for each head latent
   *     rows of nope elements
   * @param keysTransposed which of the two
   * @param values (heads * value, latent)
   */
  record Split(Weight keys, boolean keysTransposed, Weight values) implements LatentUp {
    /** Checks that both are matrices. */
    public Split {
      Checks.requireMatrix("keysUp", keys);
      Checks.requireMatrix("valuesUp", values);
    }

    @Override
    public int latent() {
      return Checks.toInt("latent", values.tensor().dim(1));
    }

    @Override
    public int nope(int heads, int value) {
      return Checks.toInt(
          "nope", keysTransposed ? keys.tensor().dim(1) : keys.tensor().dim(0) / heads);
    }

    @Override
    public int value(int heads, int nope) {
      return Checks.toInt("value", values.tensor().dim(0) / heads);
    }

    @Override
    public HeadMatrices keys(MlaShape shape) {
      return new HeadMatrices(
          keys, 0, keysTransposed ? shape.latent() : shape.nope(), keysTransposed);
    }

    @Override
    public HeadMatrices values(MlaShape shape) {
      return new HeadMatrices(values, 0, shape.value(), false);
    }

    @Override
    public void requireFits(MlaShape shape) {
      long heads = shape.heads();
      Checks.require(
          "keysUp",
          keys,
          heads * (keysTransposed ? shape.latent() : shape.nope()),
          keysTransposed ? shape.nope() : shape.latent());
      Checks.require("valuesUp", values, heads * shape.value(), shape.latent());
    }
  }

  /** The fused kv_b_proj. */
  static LatentUp fused(Weight latentUp) {
    return new Fused(latentUp);
  }

  /** Keys, transposed as GGUF's attn_k_b, and values, as its attn_v_b. */
  static LatentUp split(Weight keysTransposed, Weight values) {
    return new Split(keysTransposed, true, values);
  }

  /** Width of a latent. */
  int latent();

  /** Width of a head's unrotated key, by its rows and the width of a value. */
  int nope(int heads, int value);

  /** Width of a head's value, by its rows and the width of an unrotated key. */
  int value(int heads, int nope);

  /** W_UK of each head: keys of latents. */
  HeadMatrices keys(MlaShape shape);

  /** W_UV of each head: values of latents. */
  HeadMatrices values(MlaShape shape);

  /**
   * It has exactly the rows and columns of {@code shape}, in formats of weights.
   *
   * @throws InvalidArgumentException naming the matrix that has not
   */
  void requireFits(MlaShape shape);
}
