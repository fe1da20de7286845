package io.mla4j.ops;

/**
 * Arrays of one thread that only grow, so that kernels in Java allocate nothing once they have
 * warmed up.
 */
public final class Scratch {
  private static final ThreadLocal<Scratch> OF_THREAD = ThreadLocal.withInitial(Scratch::new);
  private static final int SLOTS = 8;

  private static final int RUN = 4096;

  private final float[][] arrays = new float[SLOTS][0];
  private final byte[] bytes = new byte[RUN];
  private final short[] shorts = new short[RUN];
  private final Codes[] codes = {new Codes(), new Codes(), new Codes()};

  private Scratch() {}

  /** The scratch of the calling thread. */
  public static Scratch ofThread() {
    return OF_THREAD.get();
  }

  /**
   * At least n floats with unspecified content, the same array at every call with the same slot (0
   * to 7) and no larger n.
   */
  public float[] floats(int slot, int n) {
    if (arrays[slot].length < n) {
      arrays[slot] = new float[n];
    }
    return arrays[slot];
  }

  /**
   * The bytes of formats on their way between memory and floats, run by run: read one by one in
   * memory, each is checked on its own until the thorough compiler has come by.
   */
  byte[] bytes() {
    return bytes;
  }

  /** The same for formats of 16 bits. */
  short[] shorts() {
    return shorts;
  }

  /** Room for n elements, by the same rule; slot 0 (of 0 to 2) is for widening. */
  public Codes codes(int slot, int n) {
    return codes[slot].reserve(n);
  }
}
