package io.mla4j;

import java.util.ArrayList;
import java.util.List;

/**
 * New tokens of a batch on their way into the cache: pages are taken, layers append and attend,
 * {@link #commit} makes the tokens part of their sequences. Closing without a commit rolls
 * everything back. Belongs to one thread at a time.
 */
public final class Step implements AutoCloseable {
  private final LatentCache cache;
  private final List<Sequence> sequences;
  private final int[] tokens;
  private final int[] replaced;
  private final int[] firstToken;
  private boolean open = true;

  Step(LatentCache cache, List<Sequence> sequences, int[] tokens, int[] replaced) {
    this.cache = cache;
    this.sequences = sequences;
    this.tokens = tokens;
    this.replaced = replaced;
    this.firstToken = new int[tokens.length + 1];
    for (int i = 0; i < tokens.length; i++) {
      firstToken[i + 1] = firstToken[i] + tokens[i];
    }
  }

  /** New tokens of all sequences. */
  public int tokens() {
    return firstToken[tokens.length];
  }

  /**
   * How to attend: made once, used by every layer of this shape.
   *
   * @param form {@link AttentionForm#AUTO} for the cost model's choice
   * @throws InvalidArgumentException where the shape's row is not the cache's
   * @throws InvalidStateException after commit or close
   */
  public DecodePlan plan(MlaShape shape, AttentionForm form) {
    requireOpen();
    int[] kvTokens = new int[tokens.length];
    for (int i = 0; i < tokens.length; i++) {
      kvTokens[i] = sequences.get(i).length() + tokens[i];
    }
    return new StepPlan(cache, sequences, firstToken, kvTokens, shape, form, this::requireOpen);
  }

  /** Which new tokens of a sequence a plan is for. */
  public enum Queries {
    /** All of them. */
    ALL,
    /**
     * The last one alone, once all of them have been appended: a layer whose other results nobody
     * needs saves their time.
     */
    LAST,
    /**
     * All of them, each as it would attend in a step of its own: in the plan each is a sequence of
     * one token, with the same pages as its neighbours. So form, splits and bits are those of
     * tokens that come one by one, once all of them have been appended.
     */
    EACH,
    /** None. */
    NONE
  }

  /**
   * As above, for some of the tokens. The plan's sequences are those of the step, one without
   * queries where it has none, but for {@link Queries#EACH}.
   *
   * @param form {@link AttentionForm#AUTO} for the cost model's choice
   * @param queries for each sequence
   * @throws InvalidArgumentException where the shape's row is not the cache's
   * @throws InvalidStateException after commit or close; or where a sequence whose tokens attend
   *     one by one has a state of a recurrence and more than one new token, since a state has no
   *     rows
   */
  public DecodePlan plan(MlaShape shape, AttentionForm form, Queries[] queries) {
    requireOpen();
    int n = 0;
    for (int i = 0; i < tokens.length; i++) {
      n += queries[i] == Queries.EACH ? requireRows(i) : 1;
    }
    List<Sequence> owners = new ArrayList<>(n);
    int[] first = new int[n + 1];
    int[] kvTokens = new int[n];
    for (int i = 0; i < tokens.length; i++) {
      Sequence sequence = sequences.get(i);
      boolean each = queries[i] == Queries.EACH;
      for (int t = each ? 1 : tokens[i]; t <= tokens[i]; t++) {
        int row = owners.size();
        first[row + 1] = first[row] + count(each ? Queries.LAST : queries[i], tokens[i]);
        kvTokens[row] = sequence.length() + t;
        owners.add(sequence);
      }
    }
    return new StepPlan(cache, owners, first, kvTokens, shape, form, this::requireOpen);
  }

  private static int count(Queries queries, int tokens) {
    return switch (queries) {
      case ALL, EACH -> tokens;
      case LAST -> Math.min(1, tokens);
      case NONE -> 0;
    };
  }

  private int requireRows(int i) {
    if (tokens[i] > 1 && !sequences.get(i).isRewindable()) {
      throw new InvalidStateException(
          "sequence "
              + i
              + " has "
              + tokens[i]
              + " new tokens and the state of a recurrence, which takes them one by one");
    }
    return tokens[i];
  }

  /**
   * Makes the tokens part of their sequences.
   *
   * @throws InvalidStateException after commit or close
   */
  public void commit() {
    synchronized (cache) {
      requireOpen();
      open = false;
      for (int i = 0; i < tokens.length; i++) {
        sequences.get(i).commit(tokens[i], replaced[i]);
      }
    }
  }

  /** Gives the new pages back, unless the step was committed. Closing twice is harmless. */
  @Override
  public void close() {
    synchronized (cache) {
      if (open) {
        open = false;
        for (int i = 0; i < tokens.length; i++) {
          sequences.get(i).rollBack(replaced[i]);
        }
      }
    }
  }

  private void requireOpen() {
    if (!open) {
      throw new InvalidStateException("the step is committed or closed");
    }
  }
}
