package io.mla4j.engine.json;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** A text in UTF-8. Immutable. */
final class Bytes {
  private final byte[] bytes;

  Bytes(String text) {
    bytes = text.getBytes(StandardCharsets.UTF_8);
  }

  int length() {
    return bytes.length;
  }

  int at(int index) {
    return bytes[index] & 0xFF;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Bytes that && Arrays.equals(bytes, that.bytes);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(bytes);
  }
}
