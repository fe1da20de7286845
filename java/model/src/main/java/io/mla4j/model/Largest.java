package io.mla4j.model;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import io.mla4j.Mla4jException;
import java.lang.foreign.MemorySegment;

/**
 * Finds the largest of a vocabulary's logits. Floats are compared as integers that are ordered like
 * them: the compiler makes vectors of that, where it takes floats one by one for their NaN. Belongs
 * to one thread.
 */
public final class Largest {
  /** Elements that are compared at once: the largest is looked for in its block alone. */
  private static final int BLOCK = 1024;

  private static final int INFINITY = order(Float.floatToRawIntBits(Float.POSITIVE_INFINITY));
  private static final int MINUS_INFINITY = order(Float.floatToRawIntBits(Float.NEGATIVE_INFINITY));

  private int[] bits = new int[0];

  /** Takes memory with the first logits. */
  public Largest() {}

  /**
   * The index of the largest, of equal ones the first.
   *
   * @param logits F32, contiguous, at least one
   * @throws Mla4jException where one is NaN or infinite
   */
  public int of(MemorySegment logits) {
    int index = find(logits);
    if (index < 0) {
      throw new Mla4jException(firstOfNoNumbers());
    }
    return index;
  }

  /** The same; -1 where one is NaN or infinite. */
  public int find(MemorySegment logits) {
    int count = (int) (logits.byteSize() / Float.BYTES);
    if (bits.length != count) {
      bits = new int[count];
    }
    MemorySegment.copy(logits, JAVA_INT_UNALIGNED, 0, bits, 0, count);
    int most = Integer.MIN_VALUE;
    int least = Integer.MAX_VALUE;
    int block = 0;
    for (int begin = 0; begin < count; begin += BLOCK) {
      int end = Math.min(count, begin + BLOCK);
      int ofBlock = largest(begin, end);
      if (ofBlock > most) {
        most = ofBlock;
        block = begin;
      }
      least = Math.min(least, smallest(begin, end));
    }
    if (most >= INFINITY || least <= MINUS_INFINITY) {
      return -1;
    }
    // 0 and -0 are equal, though not as integers.
    return most == 0 ? indexOf(0, 0f) : indexOf(block, Float.intBitsToFloat(order(most)));
  }

  private int largest(int begin, int end) {
    int most = Integer.MIN_VALUE;
    for (int i = begin; i < end; i++) {
      most = Math.max(most, order(bits[i]));
    }
    return most;
  }

  private int smallest(int begin, int end) {
    int least = Integer.MAX_VALUE;
    for (int i = begin; i < end; i++) {
      least = Math.min(least, order(bits[i]));
    }
    return least;
  }

  /** An integer of the order of the float with these bits, and the other way round. */
  private static int order(int bits) {
    return bits ^ (bits >> 31 & Integer.MAX_VALUE);
  }

  private int indexOf(int begin, float value) {
    int i = begin;
    while (Float.intBitsToFloat(bits[i]) != value) {
      i++;
    }
    return i;
  }

  private String firstOfNoNumbers() {
    int i = 0;
    while (Float.isFinite(Float.intBitsToFloat(bits[i]))) {
      i++;
    }
    return "logit %d is %s, but must be finite: the weights or the activations are not"
        .formatted(i, Float.intBitsToFloat(bits[i]));
  }
}
