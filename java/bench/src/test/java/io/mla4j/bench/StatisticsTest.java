package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** Medians and spreads of known samples. */
class StatisticsTest {
  @Test
  void mediansOfOddAndEvenCounts() {
    assertEquals(3, Statistics.median(9, 1, 3));
    assertEquals(2.5, Statistics.median(4, 1, 3, 2));
    assertTrue(Double.isNaN(Statistics.median()));
  }

  @Test
  void oneOutlierDoesNotMoveTheSpread() {
    assertEquals(1, Statistics.mad(10, 11, 12, 9, 1000));
  }

  @Test
  void samplesThatSpreadAreNoisy() {
    assertFalse(Statistics.isNoisy(100, 101, 99, 100, 300));
    assertTrue(Statistics.isNoisy(100, 120, 80, 110, 90));
  }
}
