package io.mla4j.model;

import io.mla4j.Step;
import io.mla4j.Step.Queries;
import org.jspecify.annotations.Nullable;

/** What a step is to compute. */
record Pass(
    Step step,
    int[][] ids,
    Decoder.Wanted[] wanted,
    @Nullable Cancellation cancellation,
    Decoder.@Nullable HiddenConsumer states) {
  /** Rows whose hidden states are wanted. */
  int rows() {
    int rows = 0;
    for (int i = 0; i < ids.length; i++) {
      rows += rows(i);
    }
    return rows;
  }

  private int rows(int i) {
    return switch (wanted[i]) {
      case ALL, EACH -> ids[i].length;
      case LAST -> Math.min(1, ids[i].length);
      case NONE -> 0;
    };
  }

  /** Which rows of the step these are. */
  int[] chosenRows() {
    int[] chosen = new int[rows()];
    int end = 0;
    int at = 0;
    for (int i = 0; i < ids.length; i++) {
      end += ids[i].length;
      for (int left = rows(i); left > 0; left--) {
        chosen[at++] = end - left;
      }
    }
    return chosen;
  }

  /** How the tokens attend; in the last layer those that are wanted alone. */
  Queries[] queries(boolean ofWanted) {
    Queries[] queries = new Queries[wanted.length];
    for (int i = 0; i < queries.length; i++) {
      queries[i] =
          switch (wanted[i]) {
            case ALL -> Queries.ALL;
            case EACH -> Queries.EACH;
            case LAST -> ofWanted ? Queries.LAST : Queries.ALL;
            case NONE -> ofWanted ? Queries.NONE : Queries.ALL;
          };
    }
    return queries;
  }
}
