package io.mla4j.engine.json;

import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Texts as a tree of their bytes. Immutable once made. */
final class TextTree {
  /** Behind some bytes. Each is equal to itself alone. */
  static final class Node {
    private final Map<Integer, Node> next = new HashMap<>(2);
    private final BitSet below = new BitSet();
    private int index = -1;

    /** Null where no text goes on so. */
    @Nullable Node next(int b) {
      return next.get(b);
    }

    /** Which text ends here; -1 for none. */
    int index() {
      return index;
    }

    boolean isLeaf() {
      return next.isEmpty();
    }

    /** Whether a text ends here or below that is not one of {@code not}. */
    boolean hasOther(BitSet not) {
      for (int i = below.nextSetBit(0); i >= 0; i = below.nextSetBit(i + 1)) {
        if (!not.get(i)) {
          return true;
        }
      }
      return false;
    }
  }

  private TextTree() {}

  /** The tree of texts; of equal ones the last. */
  static Node of(List<String> texts) {
    Node root = new Node();
    for (int i = 0; i < texts.size(); i++) {
      Bytes bytes = new Bytes(texts.get(i));
      Node node = root;
      node.below.set(i);
      for (int at = 0; at < bytes.length(); at++) {
        node = node.next.computeIfAbsent(bytes.at(at), _ -> new Node());
        node.below.set(i);
      }
      node.index = i;
    }
    return root;
  }
}
