package io.mla4j.guard;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.ClosedException;
import io.mla4j.ConcurrentUseException;
import io.mla4j.InvalidStateException;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** What belongs to one thread at a time, entered twice, left, closed by others. */
class TurnTest {
  private final Turn turn = new Turn("decoder");

  private static <T> FutureTask<T> start(Callable<T> body) {
    FutureTask<T> task = new FutureTask<>(body);
    Thread.ofPlatform().daemon().start(task);
    return task;
  }

  private static <T> T inAnotherThread(Callable<T> body) throws Exception {
    return start(body).get(30, TimeUnit.SECONDS);
  }

  private boolean use() {
    turn.enter();
    turn.leave();
    return true;
  }

  @Test
  void usesFollowOneAnotherOnAnyThread() throws Exception {
    assertTrue(use());
    assertTrue(use());
    assertTrue(inAnotherThread(this::use));
  }

  @Test
  void aUseWithinAUseIsNamedAndTheOuterOneGoesOn() {
    turn.enter();
    InvalidStateException e = assertThrows(InvalidStateException.class, turn::enter);
    assertEquals("the decoder is used from within its own call", e.getMessage());
    turn.leave();
    assertTrue(use());
  }

  @Test
  void aSecondThreadIsRefusedAndChangesNothing() throws Exception {
    turn.enter();
    ConcurrentUseException e =
        inAnotherThread(() -> assertThrows(ConcurrentUseException.class, turn::enter));
    assertTrue(
        e.getMessage().contains(Thread.currentThread().toString()), "names who is inside: " + e);
    turn.leave();
    assertTrue(inAnotherThread(this::use));
  }

  @Test
  void afterClosingNobodyEntersAndOnlyTheFirstCloses() {
    assertTrue(turn.close());
    assertFalse(turn.close());
    assertEquals(
        "the decoder is closed", assertThrows(ClosedException.class, turn::enter).getMessage());
    assertThrows(ClosedException.class, turn::requireOpen);
    assertThrows(ClosedException.class, turn::enter, "whoever was refused left");
  }

  @Test
  void closingWaitsForTheUseThatRuns() throws Exception {
    turn.enter();
    turn.requireOpen();
    assertThrows(InvalidStateException.class, turn::close);
    FutureTask<Boolean> closing =
        start(
            () -> {
              Thread.currentThread().interrupt();
              boolean first = turn.close();
              return first && Thread.interrupted();
            });
    while (true) {
      try {
        turn.requireOpen();
        Thread.onSpinWait();
      } catch (ClosedException e) {
        break;
      }
    }
    assertFalse(closing.isDone());
    inAnotherThread(() -> assertThrows(ClosedException.class, turn::enter, "closing, in use"));
    turn.leave();
    assertTrue(closing.get(30, TimeUnit.SECONDS), "first, and still interrupted");
  }
}
