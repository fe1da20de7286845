package io.mla4j.lab;

import io.mla4j.text.Tokenizer;
import java.util.Arrays;

/**
 * What a conversion reads.
 *
 * @param calibration windows of {@link Converter#WINDOW} ids that statistics are of
 * @param scored ids that are scored
 * @param bos the id that starts a window
 */
public record Texts(int[][] calibration, int[] scored, int bos) {
  /**
   * Which tokens are scored.
   *
   * @param from the first
   * @param count as many as there are, if fewer
   */
  public record Part(int from, int count) {}

  /**
   * Cuts texts. Without one of its own to score, statistics come from the second half of the other,
   * and what is scored from the first.
   *
   * @param evaluate null for none
   * @throws LabException where a text is too short
   */
  public static Texts of(Converter converter, String calibrate, String evaluate, Part part) {
    try (Tokenizer tokenizer = converter.tokenizer()) {
      int bos = converter.bos(tokenizer);
      int[] ids = tokenizer.encode(calibrate, false);
      int[] other =
          evaluate == null ? Arrays.copyOf(ids, ids.length / 2) : tokenizer.encode(evaluate, false);
      if (evaluate == null) {
        ids = Arrays.copyOfRange(ids, ids.length / 2, ids.length);
      }
      int from = Math.min(part.from, other.length);
      int to = Math.min(other.length - from, part.count) + from;
      if (from == to) {
        throw new LabException(
            "the text to score has "
                + other.length
                + " tokens, but it is scored from token "
                + part.from
                + " on");
      }
      return new Texts(converter.windows(ids, bos), Arrays.copyOfRange(other, from, to), bos);
    }
  }
}
