package io.mla4j.testkit;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** How a case is handed to kernels: in one call or in many, and where its buffers lie. */
public final class Cuts {
  private enum Kind {
    WHOLE,
    SAME_BITS,
    ANYWHERE
  }

  private final Kind kind;
  private final CaseRandom random;

  private Cuts(Kind kind, long seed) {
    this.kind = kind;
    this.random = new CaseRandom(seed);
  }

  /** One call over everything. */
  public static Cuts whole(long seed) {
    return new Cuts(Kind.WHOLE, seed);
  }

  /** Random pieces in random order, cut only where the bits of the results must stay the same. */
  public static Cuts pieces(long seed) {
    return new Cuts(Kind.SAME_BITS, seed);
  }

  /** Random pieces, cut anywhere, of which some are left out, to see that nobody writes there. */
  public static Cuts somePieces(long seed) {
    return new Cuts(Kind.ANYWHERE, seed);
  }

  /** Places of buffers, widths of gaps. */
  CaseRandom random() {
    return random;
  }

  /** Whether the caller leaves this piece out. */
  boolean skips() {
    return kind == Kind.ANYWHERE && random.oneIn(4);
  }

  /** Ranges that cover {@code 0 .. n}; every begin is a multiple of {@code multiple}. */
  List<Range> ranges(int n, int multiple) {
    List<Range> ranges = new ArrayList<>();
    if (kind == Kind.WHOLE || n == 0 || random.oneIn(3)) {
      ranges.add(new Range(0, n));
      return ranges;
    }
    int longest = random.between(1, (n + multiple - 1) / multiple);
    for (int begin = 0; begin < n; ) {
      int end = Math.min(n, begin + multiple * random.between(1, longest));
      ranges.add(new Range(begin, end));
      begin = end;
    }
    int[] order = random.permutation(ranges.size());
    List<Range> shuffled = new ArrayList<>();
    for (int i : order) {
      shuffled.add(ranges.get(i));
    }
    return Collections.unmodifiableList(shuffled);
  }

  /**
   * Ranges that cover {@code 0 .. n} of something whose bits are the same for all calls over
   * multiples of {@code rows}, as mla.h says of attention.
   */
  List<Range> rowRanges(int n, int rows) {
    if (kind == Kind.ANYWHERE) {
      return ranges(n, 1);
    }
    return n % rows == 0 ? ranges(n, rows) : List.of(new Range(0, n));
  }

  /** {@code begin} to {@code end}, half open. */
  record Range(int begin, int end) {}
}
