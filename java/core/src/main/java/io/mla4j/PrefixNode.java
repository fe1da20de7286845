package io.mla4j;

import org.jspecify.annotations.Nullable;

/**
 * Of a {@link PrefixCache}: a full page in its place behind another one; a salt's own, which has no
 * page, is its root. Belongs to whoever has the lock of the cache.
 */
final class PrefixNode {
  /** A root is its own. */
  final PrefixNode parent;

  final long hash;
  final int[] ids;
  final int page;
  int children;

  /** The next one of the same hash. */
  @Nullable PrefixNode sameHash;

  /** Neighbours in the order of use; those of a root are itself. */
  PrefixNode older = this;

  PrefixNode newer = this;

  PrefixNode(PrefixNode parent, long hash, int[] ids, int page) {
    this.parent = parent;
    this.hash = hash;
    this.ids = ids;
    this.page = page;
  }

  /** A root. */
  PrefixNode(long hash) {
    this.parent = this;
    this.hash = hash;
    this.ids = new int[0];
    this.page = -1;
  }

  boolean isRoot() {
    return parent == this;
  }

  PrefixNode root() {
    PrefixNode root = this;
    while (!root.isRoot()) {
      root = root.parent;
    }
    return root;
  }

  /** Takes it out of the order of use. */
  void unlink() {
    older.newer = newer;
    newer.older = older;
  }
}
