package io.mla4j.testkit;

import java.util.SplittableRandom;

/** The random choices of a case: everything follows from the seed. */
final class CaseRandom {
  private final SplittableRandom random;

  CaseRandom(long seed) {
    random = new SplittableRandom(seed);
  }

  /** Uniform in {@code low .. high}, both included. */
  int between(int low, int high) {
    return random.nextInt(low, high + 1);
  }

  /** True once in {@code n} times. */
  boolean oneIn(int n) {
    return random.nextInt(n) == 0;
  }

  /** One of the given. */
  @SafeVarargs
  final <T> T of(T... choices) {
    return choices[random.nextInt(choices.length)];
  }

  /**
   * A size in {@code low .. high}: small ones, the ends, and neighbours of multiples of 16 come
   * more often.
   */
  int size(int low, int high) {
    int n =
        switch (between(0, 5)) {
          case 0 -> low + between(0, 3);
          case 1 -> between(low, Math.min(high, low + 16));
          case 2 -> between(Math.max(1, low / 16), Math.max(1, high / 16)) * 16 + between(-1, 1);
          case 3 -> between(0, 3) == 0 ? high : between(low, high);
          default -> between(low, high);
        };
    return Math.clamp(n, low, high);
  }

  /** A uniform number in [low, high). */
  double uniform(double low, double high) {
    return random.nextDouble(low, high);
  }

  /** A normal number of mean 0 and deviation 1. */
  float normal() {
    return (float) random.nextGaussian();
  }

  /** n normal numbers of this deviation. */
  float[] normals(int n, double deviation) {
    float[] a = new float[n];
    for (int i = 0; i < n; i++) {
      a[i] = (float) (random.nextGaussian() * deviation);
    }
    return a;
  }

  /** A random order of {@code 0 .. n - 1}. */
  int[] permutation(int n) {
    int[] a = new int[n];
    for (int i = 0; i < n; i++) {
      int j = random.nextInt(i + 1);
      a[i] = a[j];
      a[j] = i;
    }
    return a;
  }

  /** A seed for something else. */
  long seed() {
    return random.nextLong();
  }
}
