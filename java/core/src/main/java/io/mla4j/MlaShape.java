package io.mla4j;

/**
 * The sizes of one Multi-head Latent Attention layer (DeepSeek-V2, section 2.1).
 *
 * @param heads query heads, 1 or more
 * @param latent width of the compressed latent that is cached ({@code kv_lora_rank}), 1 to 4096
 * @param rope width of the rotated key that all heads share ({@code qk_rope_head_dim}), even, 0 to
 *     1024
 * @param nope width of a head's key without rotation ({@code qk_nope_head_dim}), 1 or more
 * @param value width of a head's value ({@code v_head_dim}), 1 or more
 */
public record MlaShape(int heads, int latent, int rope, int nope, int value) {
  /**
   * Checks the ranges above.
   *
   * @throws InvalidArgumentException naming the component that is out of its range
   */
  public MlaShape {
    requireRange("heads", heads, 1, 1 << 16);
    requireRange("latent", latent, 1, 4096);
    requireRange("rope", rope, 0, 1024);
    requireRange("nope", nope, 1, 1 << 16);
    requireRange("value", value, 1, 1 << 16);
    if (rope % 2 != 0) {
      throw new InvalidArgumentException("rope is " + rope + ", but must be even");
    }
  }

  private static void requireRange(String name, int value, int low, int high) {
    if (value < low || value > high) {
      throw new InvalidArgumentException(
          name + " is " + value + ", but must be in " + low + ".." + high);
    }
  }

  /** Numbers of one cached row: {@code latent + rope}. */
  public int cached() {
    return latent + rope;
  }

  /** Numbers of one head's query before absorption: {@code nope + rope}. */
  public int query() {
    return nope + rope;
  }
}
