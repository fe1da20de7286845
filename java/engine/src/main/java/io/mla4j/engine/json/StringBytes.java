package io.mla4j.engine.json;

/**
 * The bytes within a JSON string: UTF-8 as RFC 3629 has it, escapes as RFC 8259 has them; escaped
 * surrogates only in pairs.
 */
final class StringBytes {
  /** Between two characters. */
  static final int TEXT = 0;

  /** What {@link #next} gives for the quote that ends the string. */
  static final int END = -2;

  /** And for what must not be there. */
  static final int WRONG = -1;

  /** Behind a backslash. */
  static final int ESCAPE = 1;

  /** Behind \\u, and as many hexadecimal digits as are still to come. */
  private static final int HEX_4 = 2;

  private static final int HEX_3 = 3;
  private static final int HEX_2 = 4;
  private static final int HEX_1 = 5;

  /** Behind {@code \}{@code ud}: the next digit tells whether it is a surrogate. */
  private static final int HEX_D = 6;

  /** The last two digits of a high surrogate, and what must follow it. */
  private static final int HIGH_2 = 7;

  private static final int HIGH_1 = 8;
  private static final int LOW_ESCAPE = 9;
  private static final int LOW_U = 10;
  private static final int LOW_D = 11;
  private static final int LOW_3 = 12;

  /** Bytes of a character that are still to come. */
  private static final int MORE_1 = 13;

  private static final int MORE_2 = 14;
  private static final int MORE_3 = 15;

  /** Behind E0, ED, F0 and F4, whose next byte has a narrower range. */
  private static final int AFTER_E0 = 16;

  private static final int AFTER_ED = 17;
  private static final int AFTER_F0 = 18;
  private static final int AFTER_F4 = 19;

  private static final int STATES = 20;
  private static final byte[] TABLE = table();

  private StringBytes() {}

  /** Where the byte {@code b} leads from {@code state}, or {@link #END} or {@link #WRONG}. */
  static int next(int state, int b) {
    return TABLE[state << 8 | b];
  }

  private static byte[] table() {
    byte[] table = new byte[STATES << 8];
    for (int state = 0; state < STATES; state++) {
      for (int b = 0; b < 256; b++) {
        table[state << 8 | b] = (byte) leads(state, b);
      }
    }
    return table;
  }

  private static int leads(int state, int b) {
    boolean isHex = Character.digit(b, 16) >= 0 && b < 128;
    return switch (state) {
      case TEXT -> ofText(b);
      case ESCAPE -> b == 'u' ? HEX_4 : "\"\\/bfnrt".indexOf(b) >= 0 ? TEXT : WRONG;
      case HEX_4 -> !isHex ? WRONG : b == 'd' || b == 'D' ? HEX_D : HEX_3;
      case HEX_3 -> isHex ? HEX_2 : WRONG;
      case HEX_2 -> isHex ? HEX_1 : WRONG;
      case HEX_1 -> isHex ? TEXT : WRONG;
      case HEX_D -> !isHex ? WRONG : ofD(Character.digit(b, 16));
      case HIGH_2 -> isHex ? HIGH_1 : WRONG;
      case HIGH_1 -> isHex ? LOW_ESCAPE : WRONG;
      case LOW_ESCAPE -> b == '\\' ? LOW_U : WRONG;
      case LOW_U -> b == 'u' ? LOW_D : WRONG;
      case LOW_D -> b == 'd' || b == 'D' ? LOW_3 : WRONG;
      case LOW_3 -> isHex && Character.digit(b, 16) >= 12 ? HEX_2 : WRONG;
      case MORE_1 -> within(b, 0x80, 0xBF, TEXT);
      case MORE_2 -> within(b, 0x80, 0xBF, MORE_1);
      case MORE_3 -> within(b, 0x80, 0xBF, MORE_2);
      case AFTER_E0 -> within(b, 0xA0, 0xBF, MORE_1);
      case AFTER_ED -> within(b, 0x80, 0x9F, MORE_1);
      case AFTER_F0 -> within(b, 0x90, 0xBF, MORE_2);
      default -> within(b, 0x80, 0x8F, MORE_2);
    };
  }

  private static int within(int b, int least, int most, int then) {
    return b >= least && b <= most ? then : WRONG;
  }

  /** The second digit of an escape that begins with D. */
  private static int ofD(int digit) {
    return digit < 8 ? HEX_2 : digit < 12 ? HIGH_2 : WRONG;
  }

  private static int ofText(int b) {
    if (b < 0x80) {
      return b == '"' ? END : b == '\\' ? ESCAPE : b < 0x20 ? WRONG : TEXT;
    }
    if (b < 0xE0) {
      return b >= 0xC2 ? MORE_1 : WRONG;
    }
    if (b < 0xF0) {
      return b == 0xE0 ? AFTER_E0 : b == 0xED ? AFTER_ED : MORE_2;
    }
    return b == 0xF0 ? AFTER_F0 : b < 0xF4 ? MORE_3 : b == 0xF4 ? AFTER_F4 : WRONG;
  }
}
