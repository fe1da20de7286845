package io.mla4j.checkpoint;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** Texts from files in UTF-8. */
public final class Utf8 {
  private Utf8() {}

  /**
   * The text in {@code bytes}, without the byte order mark that it may begin with.
   *
   * @param name what messages call it
   * @throws CheckpointException where it is no UTF-8
   */
  public static String decode(String name, byte[] bytes) {
    try {
      String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
      return text.startsWith("\uFEFF") ? text.substring(1) : text;
    } catch (CharacterCodingException e) {
      throw new CheckpointException(name + ": is " + other(bytes), e);
    }
  }

  private static String other(byte[] bytes) {
    int mark = bytes.length < 2 ? 0 : (bytes[0] & 0xFF) << 8 | bytes[1] & 0xFF;
    return mark == 0xFEFF || mark == 0xFFFE ? "UTF-16, but must be UTF-8" : "not valid UTF-8";
  }
}
