package io.mla4j.engine.json;

import io.mla4j.InvalidArgumentException;
import io.mla4j.text.ControlTokens;
import io.mla4j.text.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The tokens of a model as a tree of their bytes. Immutable; made once for a model, which takes
 * some tenths of a second for 128k tokens.
 */
public final class Vocabulary {
  private final int size;
  private final byte[] @Nullable [] bytes;
  private final int[] eos;
  private final ControlTokens controls;

  /** The tree's nodes, each before those below it: the byte that leads there, */
  private final byte[] label;

  /** bytes from the root, */
  private final short[] depth;

  /** the node behind all those below it, */
  private final int[] end;

  /** and the token that ends there, or -1; */
  private final int[] token;

  /** of each token another one with the same bytes, or -1. */
  private final int[] same;

  private final int deepest;

  /** What is within a string, once it was asked for. */
  private volatile @Nullable StringTokens strings;

  /** All tokens but those that end a text, once they were asked for. */
  private volatile long @Nullable [] everything;

  private Vocabulary(
      byte[] @Nullable [] tokens, int size, Set<Integer> eos, ControlTokens controls) {
    this.size = size;
    this.controls = controls;
    this.eos =
        eos.stream().mapToInt(Integer::intValue).filter(id -> id >= 0 && id < size).toArray();
    bytes = Arrays.copyOf(tokens, size);
    for (int id : this.eos) {
      bytes[id] = null;
    }
    int[] sorted =
        IntStream.range(0, size)
            .filter(id -> bytes[id] != null && bytes[id].length > 0)
            .boxed()
            .sorted(Comparator.comparing(id -> bytes[id], Arrays::compareUnsigned))
            .mapToInt(Integer::intValue)
            .toArray();
    int most = Arrays.stream(sorted).map(id -> requiredBytes(id).length).max().orElse(0);
    if (most > Short.MAX_VALUE) {
      throw new InvalidArgumentException("a token has " + most + " bytes");
    }
    int nodes = 0;
    byte[] before = new byte[0];
    for (int id : sorted) {
      byte[] text = requiredBytes(id);
      nodes += text.length - common(before, text);
      before = text;
    }
    label = new byte[nodes];
    depth = new short[nodes];
    end = new int[nodes];
    token = new int[nodes];
    same = new int[size];
    deepest = most;
    Arrays.fill(token, -1);
    Arrays.fill(same, -1);
    build(sorted);
  }

  private void build(int[] sorted) {
    int[] path = new int[deepest];
    int node = 0;
    byte[] before = new byte[0];
    for (int id : sorted) {
      byte[] text = requiredBytes(id);
      int shared = common(before, text);
      for (int d = before.length - 1; d >= shared; d--) {
        end[path[d]] = node;
      }
      for (int d = shared; d < text.length; d++) {
        label[node] = text[d];
        depth[node] = (short) d;
        path[d] = node++;
      }
      int last = path[text.length - 1];
      same[id] = token[last];
      token[last] = id;
      before = text;
    }
    for (int d = before.length - 1; d >= 0; d--) {
      end[path[d]] = node;
    }
  }

  private static int common(byte[] a, byte[] b) {
    int different = Arrays.mismatch(a, b);
    return different < 0 ? a.length : different;
  }

  /**
   * That of a model.
   *
   * @param size ids are below it
   * @param eos ids that end a text
   * @throws io.mla4j.checkpoint.CheckpointException where it is not known which bytes the tokens
   *     are
   */
  public static Vocabulary of(Tokenizer tokenizer, int size, Set<Integer> eos) {
    return new Vocabulary(tokenizer.bytesOfTokens(), size, eos, tokenizer.controls());
  }

  /**
   * One of these tokens, for tests.
   *
   * @param tokens the bytes of each id; null where it has none
   * @param controls the tokens that are no text
   */
  static Vocabulary of(byte[] @Nullable [] tokens, Set<Integer> eos, ControlTokens controls) {
    return new Vocabulary(tokens, tokens.length, eos, controls);
  }

  /** Ids are below it. */
  public int size() {
    return size;
  }

  /** The tokens that are no text; null where none are known. */
  public ControlTokens controls() {
    return controls;
  }

  /** The bytes of a token; null where it has none. */
  byte @Nullable [] bytes(int id) {
    return bytes[id];
  }

  private byte[] requiredBytes(int id) {
    return Objects.requireNonNull(bytes[id], "a token without text");
  }

  /** The text of a token; of half a character U+FFFD, of a token without text none. */
  public String text(int id) {
    byte[] text = id < 0 || id >= size ? null : bytes[id];
    return text == null ? "" : new String(text, StandardCharsets.UTF_8);
  }

  /** Sets the bits of all tokens but those that end a text, and clears the others. */
  public void allButEnds(long[] allowed) {
    long[] known = everything;
    if (known == null) {
      known = everything();
      everything = known;
    }
    System.arraycopy(known, 0, allowed, 0, known.length);
  }

  private long[] everything() {
    long[] all = new long[Math.ceilDiv(size, Long.SIZE)];
    for (int id = 0; id < size; id++) {
      if (bytes[id] != null) {
        set(all, id);
      }
    }
    for (String text : controls.texts()) {
      int id = controls.id(text).getAsInt();
      if (id < size && !isEos(id)) {
        set(all, id);
      }
    }
    return all;
  }

  void setEos(long[] allowed) {
    for (int id : eos) {
      set(allowed, id);
    }
  }

  /** Whether a token ends a text; else it ends where it may. */
  boolean hasEos() {
    return eos.length > 0;
  }

  boolean isEos(int id) {
    for (int other : eos) {
      if (other == id) {
        return true;
      }
    }
    return false;
  }

  static void set(long[] allowed, int id) {
    allowed[id >> 6] |= 1L << id;
  }

  /** Sets the tokens that an automaton accepts from {@code state} on. */
  void walk(Automaton.State state, long[] allowed) {
    walk(state, 0, label.length, 0, allowed);
  }

  /** As above, for the nodes from..to, whose first ones lie {@code base} bytes from the root. */
  private void walk(Automaton.State state, int from, int to, int base, long[] allowed) {
    Automaton.State[] at = new Automaton.State[deepest - base + 1];
    at[0] = state;
    for (int node = from; node < to; ) {
      int d = depth[node] - base;
      Automaton.State next = at[d].next(label[node] & 0xFF);
      if (next == null) {
        node = end[node];
        continue;
      }
      at[d + 1] = next;
      setTokens(node, allowed);
      node++;
    }
  }

  private void setTokens(int node, long[] allowed) {
    for (int id = token[node]; id >= 0; id = same[id]) {
      set(allowed, id);
    }
  }

  /**
   * Sets the tokens that may come within a string between two characters.
   *
   * @param least characters that must still come
   * @param most characters that may still come
   * @param after where the text is behind the string
   */
  void walkString(int least, int most, Automaton.@Nullable State after, long[] allowed) {
    StringTokens known = strings;
    if (known == null) {
      known = strings();
      strings = known;
    }
    long[] within = known.within[Math.min(most, known.within.length - 1)];
    for (int i = 0; i < allowed.length; i++) {
      allowed[i] |= within[i];
    }
    for (int i = 0; i < known.ends.length; i++) {
      int node = known.ends[i];
      if (known.before[i] >= least && known.before[i] <= most) {
        setTokens(node, allowed);
        if (after != null && node + 1 < end[node]) {
          walk(after, node + 1, end[node], depth[node] + 1, allowed);
        }
      }
    }
  }

  /**
   * What tokens are within a string, and where it ends in others.
   *
   * @param within those that do not leave it and have at most so many characters, the last ones
   *     begun; the last element has all
   * @param ends nodes of the quote that ends it
   * @param before characters before this quote
   */
  private record StringTokens(long[][] within, int[] ends, int[] before) {}

  private StringTokens strings() {
    int words = Math.ceilDiv(size, Long.SIZE);
    List<long[]> byLength = new ArrayList<>();
    IntStream.Builder ends = IntStream.builder();
    IntStream.Builder before = IntStream.builder();
    int[] at = new int[deepest + 1];
    int[] characters = new int[deepest + 1];
    at[0] = StringBytes.TEXT;
    for (int node = 0; node < label.length; ) {
      int d = depth[node];
      int next = StringBytes.next(at[d], label[node] & 0xFF);
      if (next < 0) {
        if (next == StringBytes.END) {
          ends.add(node);
          before.add(characters[d]);
        }
        node = end[node];
        continue;
      }
      at[d + 1] = next;
      characters[d + 1] = characters[d] + (at[d] == StringBytes.TEXT ? 1 : 0);
      while (byLength.size() <= characters[d + 1]) {
        byLength.add(new long[words]);
      }
      setTokens(node, byLength.get(characters[d + 1]));
      node++;
    }
    for (int i = 1; i < byLength.size(); i++) {
      for (int word = 0; word < words; word++) {
        byLength.get(i)[word] |= byLength.get(i - 1)[word];
      }
    }
    return new StringTokens(
        byLength.isEmpty() ? new long[1][words] : byLength.toArray(long[][]::new),
        ends.build().toArray(),
        before.build().toArray());
  }
}
