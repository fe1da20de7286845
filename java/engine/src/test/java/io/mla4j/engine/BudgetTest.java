package io.mla4j.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
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
  }

  @Test
  void whatAStepTookTooMuchIsWaitedFor() {
    Budget budget = budget(1.5);
    budget.ran(7, 0, 40 * MS);
    budget.ran(7, 64, 120 * MS);
    // 80 ms more than without, of which each step pays 20.
    for (int i = 0; i < 3; i++) {
      assertEquals(0, budget.tokens(7));
      budget.ran(7, 0, 40 * MS);
    }
    assertEquals(Budget.LEAST, budget.tokens(7));
    budget.ran(7, 64, 10_000 * MS);
    assertEquals(512, budget.tokens(0), "nobody waits");
    assertTrue(budget.tokens(7) > 0);
  }

  @Test
  void shortPromptsAreReadUntilTheDebtIsLarge() {
    Budget budget = budget(1.5);
    budget.ran(7, 0, 40 * MS);
    for (int i = 0; i < 5; i++) {
      assertTrue(budget.takesShort());
      budget.ran(7, 64, 200 * MS);
      assertEquals(0, budget.tokens(7));
    }
    // Each of them 160 ms too much, of which the step pays 20.
    assertFalse(budget.takesShort());
    for (int i = 0; i < 12; i++) {
      budget.ran(7, 0, 40 * MS);
    }
    assertTrue(budget.takesShort());
  }

  @Test
  void piecesBehindManyTokensAreLonger() {
    assertEquals(16, budget(1.5).least(600));
    assertEquals(128, budget(1.5).least(4096));
    assertEquals(512, budget(1.5).least(100_000));
  }
}
