package io.mla4j.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.BitSet;
import java.util.stream.IntStream;

/**
 * Encodes texts that spell out control tokens which they must not have. What lies between two
 * control tokens is encoded on its own anyway; so such a piece goes through a second tokenizer,
 * which knows no added tokens, and all else is as it would be without.
 */
final class TypedTexts implements AutoCloseable {
  /**
   * The only added token of the second tokenizer: nobody types it, and what follows it is no
   * beginning of a text.
   */
  static final String BORDER =
      "\uFDD0mla4j-" + Long.toHexString(new SecureRandom().nextLong()) + "\uFDD1";

  private final HuggingFaceTokenizer whole;
  private final HuggingFaceTokenizer plain;
  private final ControlTokens controls;
  private final BitSet controlIds = new BitSet();

  TypedTexts(HuggingFaceTokenizer whole, HuggingFaceTokenizer plain, ControlTokens controls) {
    this.whole = whole;
    this.plain = plain;
    this.controls = controls;
    controls.texts().forEach(text -> controlIds.set(controls.id(text).orElseThrow()));
  }

  int[] encode(MarkedText marked) {
    String text = marked.text();
    IntStream.Builder ids = IntStream.builder();
    // Encoded up to here.
    int done = 0;
    // Where the piece that is looked at begins: behind the last control token.
    int begin = 0;
    boolean typed = false;
    for (int i = 0; i <= text.length(); ) {
      int length = i == text.length() ? 0 : controls.lengthAt(text, i);
      boolean isTyped = length > 0 && marked.typed().get(i);
      if (i < text.length() && (length == 0 || isTyped)) {
        typed |= isTyped;
        i++;
        continue;
      }
      if (typed) {
        addAll(ids, Tokenizer.encode(whole, text.substring(done, begin)));
        addAll(ids, piece(text.substring(begin, i), begin == 0));
        done = i;
        typed = false;
      }
      i += Math.max(1, length);
      begin = i;
    }
    addAll(ids, Tokenizer.encode(whole, text.substring(done)));
    return ids.build().toArray();
  }

  private static void addAll(IntStream.Builder to, int[] ids) {
    for (int id : ids) {
      to.add(id);
    }
  }

  /** The ids of a text without control tokens, whatever it spells out. */
  private int[] piece(String text, boolean first) {
    int[] ids = plainIds(text, first);
    if (Arrays.stream(ids).noneMatch(controlIds::get)) {
      return ids;
    }
    // The vocabulary has one as a word: no word is longer than a character then.
    IntStream.Builder all = IntStream.builder();
    boolean atStart = first;
    for (int c : text.codePoints().toArray()) {
      addAll(all, plainIds(Character.toString(c), atStart));
      atStart = false;
    }
    return all.build().filter(id -> !controlIds.get(id)).toArray();
  }

  private int[] plainIds(String text, boolean first) {
    int[] ids = Tokenizer.encode(plain, first ? text : BORDER + text);
    return first ? ids : Arrays.copyOfRange(ids, 1, ids.length);
  }

  @Override
  public void close() {
    plain.close();
  }
}
