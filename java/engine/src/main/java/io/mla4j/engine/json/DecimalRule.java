package io.mla4j.engine.json;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A number of a range, without exponent. It has at most 15 digits, 12 of them behind the point:
 * each such decimal has a double of its own, so that it is in the range whatever reads it.
 */
final class DecimalRule extends Rule {
  private static final int MOST_DIGITS = 15;
  private static final int MOST_BEHIND = 12;

  /** Of ten. */
  private static final BigInteger[] POWERS =
      Stream.iterate(BigInteger.ONE, BigInteger.TEN::multiply)
          .limit(MOST_DIGITS + MOST_BEHIND + 1)
          .toArray(BigInteger[]::new);

  /** In units of the smallest decimal. */
  private final BigInteger least;

  private final BigInteger most;

  /**
   * Both ends are in the range, but for those that are exclusive.
   *
   * @param least null for none
   * @param most null for none
   */
  DecimalRule(@Nullable BigDecimal least, boolean above, @Nullable BigDecimal most, boolean below) {
    BigInteger largest = POWERS[MOST_DIGITS + MOST_BEHIND];
    this.least = least == null ? largest.negate() : units(least, RoundingMode.CEILING, above, 1);
    this.most = most == null ? largest : units(most, RoundingMode.FLOOR, below, -1);
  }

  private static BigInteger units(
      BigDecimal bound, RoundingMode rounding, boolean exclusive, int next) {
    BigDecimal exact = bound.movePointRight(MOST_BEHIND);
    BigInteger units = exact.setScale(0, rounding).toBigIntegerExact();
    boolean isBound = exact.compareTo(new BigDecimal(units)) == 0;
    return exclusive && isBound ? units.add(BigInteger.valueOf(next)) : units;
  }

  /** Whether no number is in the range. */
  boolean isEmpty() {
    return !mayBegin(false, null) && !mayBegin(true, null);
  }

  @Override
  void open(int depth, Frame then, Frames to) {
    to.add(new Digits(this, false, null, 0, -1, then));
  }

  @Override
  int findHeight() {
    return 0;
  }

  /** How many digits may stand behind the point. */
  private static int room(int whole) {
    return Math.min(MOST_BEHIND, MOST_DIGITS - whole);
  }

  /** Whether a multiple of 10^-digits is in the range, between both in units. */
  private boolean has(boolean negative, BigInteger from, BigInteger to, int digits) {
    BigInteger low = (negative ? most.negate() : least).max(from);
    BigInteger high = (negative ? least.negate() : most).min(to);
    BigInteger step = POWERS[MOST_BEHIND - digits];
    BigInteger first = low.add(step).subtract(BigInteger.ONE).divide(step).multiply(step);
    return first.compareTo(high) <= 0;
  }

  /**
   * Whether a number of the range begins with these digits, before the point.
   *
   * @param digits null for none yet
   */
  private boolean mayBegin(boolean negative, @Nullable BigInteger digits) {
    if (digits == null) {
      for (int first = 0; first <= 9; first++) {
        if (mayBegin(negative, BigInteger.valueOf(first), 1)) {
          return true;
        }
      }
      return false;
    }
    return mayBegin(negative, digits, digits.toString().length());
  }

  private boolean mayBegin(boolean negative, BigInteger digits, int count) {
    int most = digits.signum() == 0 ? count : MOST_DIGITS;
    for (int whole = count; whole <= most; whole++) {
      BigInteger factor = POWERS[whole - count];
      BigInteger from = inUnits(digits.multiply(factor), 0);
      BigInteger to = from.add(inUnits(factor, 0)).subtract(BigInteger.ONE);
      if (has(negative, from, to, room(whole))) {
        return true;
      }
    }
    return false;
  }

  /** Whether a number of the range begins with these digits, {@code behind} of them behind it. */
  private boolean mayGoOn(boolean negative, BigInteger digits, int whole, int behind) {
    if (behind > room(whole)) {
      return false;
    }
    BigInteger from = inUnits(digits, behind);
    BigInteger to = from.add(inUnits(BigInteger.ONE, behind)).subtract(BigInteger.ONE);
    return has(negative, from, to, room(whole));
  }

  private static BigInteger inUnits(BigInteger digits, int behind) {
    return digits.multiply(POWERS[MOST_BEHIND - behind]);
  }

  /**
   * Within one.
   *
   * @param digits all that were there; null where none was
   * @param whole digits before the point
   * @param behind digits behind it; -1 where it was not there
   */
  private record Digits(
      DecimalRule rule,
      boolean negative,
      @Nullable BigInteger digits,
      int whole,
      int behind,
      Frame then)
      implements Frame {
    @Override
    public void step(int b, Frames to) {
      if (b == '-' && digits == null && !negative) {
        if (rule.mayBegin(true, null)) {
          to.add(new Digits(rule, true, null, 0, -1, then));
        }
      } else if (b == '.' && behind < 0 && digits != null) {
        if (room(whole) > 0 && rule.mayGoOn(negative, digits, whole, 0)) {
          to.add(new Digits(rule, negative, digits, whole, 0, then));
        }
      } else if (b >= '0' && b <= '9') {
        digit(BigInteger.valueOf(b - '0'), to);
      } else if (isComplete()) {
        to.stepFrom(then, b);
      }
    }

    private void digit(BigInteger digit, Frames to) {
      BigInteger now = digits == null ? digit : digits.multiply(BigInteger.TEN).add(digit);
      if (behind >= 0) {
        if (rule.mayGoOn(negative, now, whole, behind + 1)) {
          to.add(new Digits(rule, negative, now, whole, behind + 1, then));
        }
      } else if ((digits == null || digits.signum() > 0)
          && whole < MOST_DIGITS
          && rule.mayBegin(negative, now)) {
        to.add(new Digits(rule, negative, now, whole + 1, -1, then));
      }
    }

    private boolean isComplete() {
      if (digits == null || behind == 0) {
        return false;
      }
      BigInteger value = inUnits(digits, Math.max(0, behind));
      return rule.has(negative, value, value, MOST_BEHIND);
    }

    @Override
    public boolean mayEnd() {
      return isComplete() && Frames.mayEnd(then);
    }
  }
}
