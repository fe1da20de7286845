package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.function.BooleanSupplier;
import java.util.function.IntToLongFunction;
import org.junit.jupiter.api.Test;

/** How long something runs before it is measured, by a clock that only the runs move. */
class WarmUpTest {
  private static final int LEAST = 400;
  private static final int MOST = 4000;

  private long now;
  private int runs;

  private boolean warmUp(IntToLongFunction nanosOfRun, BooleanSupplier compiles) {
    return new WarmUp(() -> now, compiles)
        .run(() -> now += nanosOfRun.applyAsLong(runs++), LEAST, MOST, () -> false);
  }

  @Test
  void whatIsSteadyRunsForTheLeastTime() {
    assertTrue(warmUp(_ -> 10, () -> false));
    assertEquals(LEAST, now);
  }

  @Test
  void whatGetsFasterRunsUntilItNoLongerDoes() {
    assertTrue(warmUp(i -> Math.max(10, 500 - 50 * i), () -> false));
    assertTrue(runs > 10, "the times fall for ten runs, but it ran " + runs);
    assertTrue(now < MOST);
  }

  @Test
  void noiseIsNoFall() {
    assertTrue(warmUp(i -> 100 + i % 3, () -> false));
    assertEquals(100 + 101 + 102 + 100, now);
  }

  @Test
  void aSlowOperationRunsTwice() {
    assertTrue(warmUp(_ -> 1000, () -> false));
    assertEquals(2, runs);
  }

  @Test
  void itWaitsForTheCompilers() {
    assertTrue(warmUp(_ -> 10, () -> now < 1234));
    assertTrue(now >= 1234 && now < MOST, "it ran for " + now);
  }

  @Test
  void itGivesUpAndSaysSo() {
    assertFalse(warmUp(_ -> 10, () -> true));
    assertEquals(MOST, now);
  }

  @Test
  void aMethodInTheQueueIsWork() {
    String idle = "Current compiles: \n\nC1 compile queue:\nEmpty\n\nC2 compile queue:\nEmpty\n";
    assertFalse(Compilers.lists(idle));
    assertTrue(
        Compilers.lists(
            idle.replaceFirst(
                "\n", "\nC2 CompilerThread0  1881 %  4  io.mla4j.A::b @ 13 (58 bytes)\n")));
  }

  @Test
  void theJvmTellsWhatItCompiles() throws Exception {
    String queue =
        (String)
            java.lang.management.ManagementFactory.getPlatformMBeanServer()
                .invoke(
                    new javax.management.ObjectName(Compilers.DIAGNOSTICS),
                    Compilers.QUEUE,
                    new Object[0],
                    new String[0]);
    assertTrue(queue.contains("C2 compile queue:"), queue);
  }
}
