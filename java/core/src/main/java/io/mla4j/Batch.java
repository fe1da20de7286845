package io.mla4j;

import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;

/**
 * Sequences of one pool that go through steps together. Belongs to one thread at a time, as its
 * sequences do.
 */
public final class Batch {
  private final List<Sequence> sequences;
  private final LatentCache cache;

  private Batch(List<Sequence> sequences) {
    this.sequences = sequences;
    this.cache = sequences.getFirst().cache();
  }

  /**
   * A batch of at least one sequence.
   *
   * @throws InvalidArgumentException where a sequence comes twice or they belong to different pools
   */
  public static Batch of(Sequence... sequences) {
    if (sequences.length == 0) {
      throw new InvalidArgumentException("sequences is empty");
    }
    Set<Sequence> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    for (int i = 0; i < sequences.length; i++) {
      if (sequences[i] == null) {
        throw new InvalidArgumentException("sequences[" + i + "] is null");
      }
      if (!seen.add(sequences[i])) {
        throw new InvalidArgumentException("sequences[" + i + "] is in the batch twice");
      }
      if (sequences[i].cache() != sequences[0].cache()) {
        throw new InvalidArgumentException("sequences[" + i + "] belongs to another cache");
      }
    }
    return new Batch(List.of(sequences));
  }

  /** The sequences, in the order of the step's tensors. */
  public List<Sequence> sequences() {
    return sequences;
  }

  /**
   * Takes every page that {@code tokens[i]} more tokens of sequence i need.
   *
   * @param tokens a count for each sequence, 0 or more
   * @throws CacheFullException where the pool has too few free pages; nothing was changed
   * @throws InvalidStateException where a sequence is part of an open step; nothing was changed
   * @throws ClosedException where the pool or a sequence is closed
   */
  public Step reserve(int... tokens) {
    if (tokens.length != sequences.size()) {
      throw new InvalidArgumentException(
          "tokens has "
              + tokens.length
              + " counts, but the batch has "
              + sequences.size()
              + " sequences");
    }
    synchronized (cache) {
      long needed = 0;
      long total = 0;
      for (int i = 0; i < tokens.length; i++) {
        Sequence sequence = sequences.get(i);
        sequence.requireIdle();
        if (tokens[i] < 0 || tokens[i] > Integer.MAX_VALUE - sequence.length()) {
          throw new InvalidArgumentException(
              "tokens["
                  + i
                  + "] is "
                  + tokens[i]
                  + ", but must be in 0.."
                  + (Integer.MAX_VALUE - sequence.length()));
        }
        needed += sequence.pagesNeeded(tokens[i]);
        total += tokens[i];
      }
      if (total > Integer.MAX_VALUE) {
        throw new InvalidArgumentException(
            "tokens " + Arrays.toString(tokens) + " are more than 2^31 - 1 together");
      }
      if (!cache.makeRoom(needed)) {
        throw new CacheFullException(
            "the step needs "
                + needed
                + " pages, but "
                + cache.pool().freeCount()
                + " of "
                + cache.pages()
                + " are free");
      }
      int[] replaced = new int[tokens.length];
      int grown = 0;
      try {
        for (; grown < tokens.length; grown++) {
          replaced[grown] = sequences.get(grown).grow(tokens[grown]);
        }
      } catch (RuntimeException | Error e) {
        // A device failed to copy a page.
        while (grown-- > 0) {
          sequences.get(grown).rollBack(replaced[grown]);
        }
        throw e;
      }
      return new Step(cache, sequences, tokens.clone(), replaced);
    }
  }

  /**
   * A plan without new tokens: the queries stand at the last {@code queries} committed tokens of
   * every sequence. Good until a sequence changes.
   *
   * @throws InvalidArgumentException where a sequence has fewer tokens
   * @throws InvalidStateException where a sequence is part of an open step
   * @throws ClosedException where the pool or a sequence is closed
   */
  DecodePlan planOverLast(int queries, MlaShape shape, AttentionForm form) {
    int[] firstToken = new int[sequences.size() + 1];
    int[] kvTokens = new int[sequences.size()];
    synchronized (cache) {
      for (int i = 0; i < kvTokens.length; i++) {
        Sequence sequence = sequences.get(i);
        sequence.requireIdle();
        kvTokens[i] = sequence.length();
        if (kvTokens[i] < queries) {
          throw new InvalidArgumentException(
              "sequence "
                  + i
                  + " has "
                  + kvTokens[i]
                  + " tokens, fewer than its "
                  + queries
                  + " queries");
        }
        firstToken[i + 1] = Math.addExact(firstToken[i], queries);
      }
    }
    return new StepPlan(cache, sequences, firstToken, kvTokens, shape, form, () -> {});
  }
}
