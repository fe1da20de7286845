package io.mla4j.text.vocabulary;

import io.mla4j.text.vocabulary.TokenizerJson.Merge;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;

/**
 * Merges for vocabularies that have none: any two tokens that are a third one together may become
 * it, the earlier the better it is ranked.
 */
final class Merges {
  /** Two tokens and what they become. */
  private record Pair(int token, int left, int right) {}

  private Merges() {}

  /**
   * As tiktoken merges: by the id of what comes out.
   *
   * @param tokens by id, in the characters that stand for bytes
   * @param usable which of them take part
   */
  static List<Merge> byRank(List<String> tokens, IntPredicate usable) {
    return merges(tokens, pairs(tokens, usable));
  }

  /**
   * As SentencePiece merges: by the score of what comes out, the highest first, and where two have
   * the same, the one with the longer left token, then right token.
   */
  static List<Merge> byScore(List<String> tokens, float[] scores, IntPredicate usable) {
    List<Pair> pairs = pairs(tokens, usable);
    pairs.sort(
        Comparator.<Pair>comparingDouble(pair -> -scores[pair.token])
            .thenComparingInt(pair -> -length(tokens.get(pair.left)))
            .thenComparingInt(pair -> -length(tokens.get(pair.right))));
    return merges(tokens, pairs);
  }

  /** In the order of what comes out, then of the left and the right token. */
  private static List<Pair> pairs(List<String> tokens, IntPredicate usable) {
    Map<String, Integer> ids = HashMap.newHashMap(tokens.size());
    for (int id = 0; id < tokens.size(); id++) {
      if (usable.test(id)) {
        ids.put(tokens.get(id), id);
      }
    }
    List<Pair> pairs = new ArrayList<>();
    List<Pair> own = new ArrayList<>();
    for (int id = 0; id < tokens.size(); id++) {
      if (!usable.test(id)) {
        continue;
      }
      String token = tokens.get(id);
      for (int cut = 1; cut < token.length(); cut++) {
        if (Character.isLowSurrogate(token.charAt(cut))) {
          continue;
        }
        Integer left = ids.get(token.substring(0, cut));
        Integer right = left == null ? null : ids.get(token.substring(cut));
        if (left != null && right != null) {
          own.add(new Pair(id, left, right));
        }
      }
      own.sort(Comparator.comparingInt(Pair::left).thenComparingInt(Pair::right));
      pairs.addAll(own);
      own.clear();
    }
    return pairs;
  }

  private static List<Merge> merges(List<String> tokens, List<Pair> pairs) {
    List<Merge> merges = new ArrayList<>(pairs.size());
    for (Pair pair : pairs) {
      merges.add(new Merge(tokens.get(pair.left), tokens.get(pair.right)));
    }
    return merges;
  }

  private static int length(String token) {
    return token.codePointCount(0, token.length());
  }
}
