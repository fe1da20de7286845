package io.mla4j.engine.json;

/**
 * Within a number: what every reader of JSON can read as a finite double. Digits are bounded, since
 * a model may not find an end.
 *
 * @param part where in it
 * @param digits of the part so far
 * @param whole digits before the point
 */
record NumberFrame(Part part, int digits, int whole, Frame then) implements Frame {
  /** Parts of a number. */
  enum Part {
    START,
    MINUS,
    ZERO,
    WHOLE,
    POINT,
    FRACTION,
    E,
    SIGN,
    /** Its exponent, whose first digits leave room for any other one, */
    EXPONENT,
    /** or which is 3, */
    EXPONENT_3,
    /** or 30. */
    EXPONENT_30
  }

  private static final int MOST_DIGITS = 24;

  @Override
  public void step(int b, Frames to) {
    boolean isDigit = b >= '0' && b <= '9';
    switch (part) {
      case START -> {
        if (b == '-') {
          to.add(new NumberFrame(Part.MINUS, 0, 0, then));
        } else {
          first(b, to);
        }
      }
      case MINUS -> first(b, to);
      case ZERO, WHOLE -> {
        if (part == Part.WHOLE && isDigit && digits < MOST_DIGITS) {
          to.add(new NumberFrame(Part.WHOLE, digits + 1, digits + 1, then));
        } else if (b == '.') {
          to.add(new NumberFrame(Part.POINT, 0, whole, then));
        } else {
          exponentOrEnd(b, to);
        }
      }
      case POINT -> {
        if (isDigit) {
          to.add(new NumberFrame(Part.FRACTION, 1, whole, then));
        }
      }
      case FRACTION -> {
        if (isDigit && digits < MOST_DIGITS) {
          to.add(new NumberFrame(Part.FRACTION, digits + 1, whole, then));
        } else {
          exponentOrEnd(b, to);
        }
      }
      case E -> {
        if (b == '+' || b == '-') {
          to.add(new NumberFrame(Part.SIGN, 0, whole, then));
        } else {
          exponent(b, to);
        }
      }
      case SIGN, EXPONENT, EXPONENT_3, EXPONENT_30 -> exponent(b, to);
    }
  }

  private void first(int b, Frames to) {
    if (b == '0') {
      to.add(new NumberFrame(Part.ZERO, 1, 1, then));
    } else if (b >= '1' && b <= '9') {
      to.add(new NumberFrame(Part.WHOLE, 1, 1, then));
    }
  }

  private void exponentOrEnd(int b, Frames to) {
    // Only behind one digit, as programs write it: so it is never too large.
    if ((b == 'e' || b == 'E') && whole == 1) {
      to.add(new NumberFrame(Part.E, 0, whole, then));
    } else {
      to.stepFrom(then, b);
    }
  }

  /** Up to 307. */
  private void exponent(int b, Frames to) {
    boolean isFirst = digits == 0;
    int most =
        switch (part) {
          case EXPONENT_3 -> '0';
          case EXPONENT_30 -> '7';
          default -> '9';
        };
    if (b >= '0' && b <= '9') {
      if (isFirst) {
        Part next = b == '3' ? Part.EXPONENT_3 : Part.EXPONENT;
        // Behind a digit above 3 there is room for one more.
        to.add(new NumberFrame(next, b > '3' ? 2 : 1, whole, then));
      } else if (digits < 3) {
        Part next = part == Part.EXPONENT_3 && b == '0' ? Part.EXPONENT_30 : Part.EXPONENT;
        boolean isLast = part == Part.EXPONENT_3 && b > most;
        if (part != Part.EXPONENT_30 || b <= most) {
          to.add(new NumberFrame(next, isLast ? 3 : digits + 1, whole, then));
        }
      }
    } else if (!isFirst) {
      to.stepFrom(then, b);
    }
  }

  @Override
  public boolean mayEnd() {
    boolean isComplete =
        switch (part) {
          case ZERO, WHOLE, FRACTION, EXPONENT, EXPONENT_3, EXPONENT_30 -> true;
          case START, MINUS, POINT, E, SIGN -> false;
        };
    return isComplete && Frames.mayEnd(then);
  }
}
