package io.mla4j.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** Given how long steps took, when prompts wait, then so much of them is read that others go on. */
class BudgetTest {
  private static final long MS = 1_000_000;

  private static Budget budget(double stretch) {
    return new Budget(EngineOptions.builder().tokenBudget(512).stretch(stretch).build());
  }

  @Test
  void aloneAPromptTakesAllThatAStepMay() {
    assertEquals(512, budget(1.5).tokens(0));
    assertEquals(512, budget(0).tokens(7));
  }

  @Test
  void besideOthersItTakesWhatStretchesTheStepAsFarAsAskedFor() {
    Budget budget = budget(1.5);
    assertEquals(Budget.LEAST, budget.tokens(7), "nothing is known");
    budget.ran(7, 0, 40 * MS);
    budget.ran(7, 16, 48 * MS);
    // Half of 40 ms at half a millisecond a token.
    assertEquals(40, budget.tokens(7));
    for (int i = 0; i < 50; i++) {
      budget.ran(7, 0, 80 * MS);
      budget.ran(7, 16, 81 * MS);
    }
    assertEquals(512, budget.tokens(7), "it follows what steps take now");
    for (int i = 0; i < 50; i++) {
      budget.ran(7, 16, 400 * MS);
    }
    assertTrue(budget.tokens(7) <= 2 * Budget.LEAST, "one piece always goes on");
  }
}
