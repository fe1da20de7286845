package io.mla4j.engine.json;

import java.math.BigInteger;
import org.jspecify.annotations.Nullable;

/** A whole number of a range, without point and exponent. */
final class IntegerRule extends Rule {
  private final BigInteger least;
  private final BigInteger most;

  /** Both ends are in the range, which is not empty. */
  IntegerRule(BigInteger least, BigInteger most) {
    this.least = least;
    this.most = most;
  }

  @Override
  void open(int depth, Frame then, Frames to) {
    to.add(new Digits(this, false, null, then));
  }

  @Override
  int findHeight() {
    return 0;
  }

  private boolean has(BigInteger number) {
    return number.compareTo(least) >= 0 && number.compareTo(most) <= 0;
  }

  /** Whether a number of the range begins with these digits. */
  private boolean mayBegin(boolean negative, BigInteger digits) {
    BigInteger low = negative ? most.negate() : least;
    BigInteger high = negative ? least.negate() : most;
    if (digits.signum() == 0) {
      return !negative && has(digits);
    }
    BigInteger from = digits;
    BigInteger to = digits;
    while (from.compareTo(high) <= 0) {
      if (to.compareTo(low) >= 0) {
        return true;
      }
      from = from.multiply(BigInteger.TEN);
      to = to.multiply(BigInteger.TEN).add(BigInteger.valueOf(9));
    }
    return false;
  }

  private boolean mayBeNegative() {
    return least.signum() < 0;
  }

  /**
   * Within one.
   *
   * @param digits what was there; null where nothing was
   */
  private record Digits(IntegerRule rule, boolean negative, @Nullable BigInteger digits, Frame then)
      implements Frame {
    @Override
    public void step(int b, Frames to) {
      if (b == '-' && digits == null && !negative && rule.mayBeNegative()) {
        to.add(new Digits(rule, true, null, then));
      } else if (b >= '0' && b <= '9') {
        BigInteger digit = BigInteger.valueOf(b - '0');
        boolean isZero = digits != null && digits.signum() == 0;
        BigInteger now = digits == null ? digit : digits.multiply(BigInteger.TEN).add(digit);
        if (!isZero && rule.mayBegin(negative, now)) {
          to.add(new Digits(rule, negative, now, then));
        }
      } else if (isComplete()) {
        to.stepFrom(then, b);
      }
    }

    private boolean isComplete() {
      return digits != null && rule.has(negative ? digits.negate() : digits);
    }

    @Override
    public boolean mayEnd() {
      return isComplete() && Frames.mayEnd(then);
    }
  }
}
