package io.mla4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.cpu.ScalarBackend;
import io.mla4j.spi.Backend;
import io.mla4j.spi.PagedView;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Given a cache whose layers have states, when sequences grow, fork, are rolled back and closed,
 * then a sequence's state is always that of its own committed tokens.
 */
class SequenceStatesTest {
  private static final MlaShape SHAPE = new MlaShape(2, 16, 4, 8, 8);
  private static final StateLayout STATE = new StateLayout(2, 3);
  private static final int LAYERS = 3;

  // Never closed: mutation runs come again in one JVM.
  private static final Device DEVICE = new ScalarBackend().open(new Backend.Options(1, null));

  private static LatentCache cache(int sequences) {
    return LatentCache.builder(DEVICE)
        .layout(LatentLayout.of(SHAPE, CacheType.F32))
        .pageSize(4)
        .pages(400)
        .states(STATE, LAYERS)
        .sequences(sequences)
        .build();
  }

  /** A number that stands for a history: what a recurrence makes of the one before and a token. */
  private static float next(float state, int token) {
    return state * 0.5f + token;
  }

  /** Runs a step of one token and commits it, or not. */
  private static void step(Sequence sequence, int token, boolean commits) {
    try (Step step = Batch.of(sequence).reserve(1)) {
      PagedView view = PagedView.of(step.plan(SHAPE, AttentionForm.ABSORBED));
      for (int layer = 0; layer < LAYERS; layer++) {
        MemorySegment before = view.stateBefore(0, layer);
        MemorySegment after = view.stateAfter(0, layer);
        assertEquals(STATE.bytes(), before.byteSize());
        float state = sequence.length() == 0 ? layer : before.get(ValueLayout.JAVA_FLOAT, 8);
        after.fill((byte) 0xff);
        after.set(ValueLayout.JAVA_FLOAT, 8, next(state, token));
        view.stateWritten(0, layer);
      }
      if (commits) {
        step.commit();
      }
    }
  }

  private record Life(Sequence sequence, List<Integer> tokens) {
    void check() {
      try (Step step = Batch.of(sequence).reserve(0)) {
        PagedView view = PagedView.of(step.plan(SHAPE, AttentionForm.ABSORBED));
        for (int layer = 0; layer < LAYERS && !tokens.isEmpty(); layer++) {
          float expected = layer;
          for (int token : tokens) {
            expected = next(expected, token);
          }
          assertEquals(
              expected, view.stateBefore(0, layer).get(ValueLayout.JAVA_FLOAT, 8), "" + tokens);
        }
      }
    }
  }

  @Test
  void aStateIsThatOfItsOwnTokens() {
    for (int seed = 0; seed < 60; seed++) {
      Random random = new Random(seed);
      List<Life> lives = new ArrayList<>();
      try (LatentCache cache = cache(random.nextInt(0, 4))) {
        lives.add(new Life(cache.newSequence(), new ArrayList<>()));
        for (int act = 0; act < 80; act++) {
          Life life = lives.get(random.nextInt(lives.size()));
          switch (random.nextInt(6)) {
            case 0 -> lives.add(new Life(life.sequence.fork(), new ArrayList<>(life.tokens)));
            case 1 -> step(life.sequence, random.nextInt(100), false);
            case 2 -> {
              if (lives.size() > 1) {
                life.sequence.close();
                lives.remove(life);
              }
            }
            case 3 -> {
              if (random.nextInt(4) == 0) {
                life.sequence.truncate(0);
                life.tokens.clear();
              }
            }
            default -> {
              int token = random.nextInt(100);
              step(life.sequence, token, true);
              life.tokens.add(token);
            }
          }
          lives.forEach(Life::check);
        }
      }
    }
  }

  @Test
  void aStateCannotBeRewound() {
    try (LatentCache cache = cache(1);
        Sequence sequence = cache.newSequence()) {
      assertFalse(sequence.isRewindable());
      for (int i = 0; i < 5; i++) {
        step(sequence, i, true);
      }
      InvalidStateException e =
          assertThrows(InvalidStateException.class, () -> sequence.truncate(3));
      assertTrue(e.getMessage().contains("newLength is 3"), e.getMessage());
      assertTrue(e.getMessage().contains("cannot be rewound"), e.getMessage());
      assertEquals(5, sequence.length());
      sequence.truncate(5);
      step(sequence, 5, true);
      sequence.truncate(0);
      assertEquals(0, sequence.length());
      step(sequence, 0, true);
    }
  }

  @Test
  void aLayerThatMissedTokensIsNotUsed() {
    try (LatentCache cache = cache(1);
        Sequence sequence = cache.newSequence()) {
      try (Step step = Batch.of(sequence).reserve(2)) {
        PagedView view = PagedView.of(step.plan(SHAPE, AttentionForm.ABSORBED));
        view.stateBefore(0, 1);
        view.stateWritten(0, 1);
        step.commit();
      }
      try (Step step = Batch.of(sequence).reserve(1)) {
        PagedView view = PagedView.of(step.plan(SHAPE, AttentionForm.ABSORBED));
        view.stateBefore(0, 1);
        InvalidStateException e =
            assertThrows(InvalidStateException.class, () -> view.stateBefore(0, 0));
        assertTrue(e.getMessage().contains("layer 0 has seen 0 tokens"), e.getMessage());
      }
    }
  }

  @Test
  void sizesFollowFromTheLayout() {
    // 3 x 3 of the matrix and 3 x 3 x 3 past inputs are 36: 48 in whole lines
    assertEquals(48, STATE.headStride());
    assertEquals(2 * 48 * 4, STATE.bytes());
    long each = 2 * LAYERS * STATE.bytes();
    try (LatentCache cache = cache(2)) {
      assertEquals(2 * each, cache.stateBytes());
      assertEquals(cache.pageBytes() * 400 + 2 * each, cache.bytes());
      assertEquals(LAYERS, cache.stateLayers());
      assertEquals(STATE, cache.stateLayout());
      try (Sequence a = cache.newSequence();
          Sequence b = a.fork();
          Sequence _ = b.fork()) {
        assertEquals(3 * each, cache.stateBytes());
      }
      try (Sequence _ = cache.newSequence()) {
        assertEquals(3 * each, cache.stateBytes());
      }
    }
    try (LatentCache plain =
            LatentCache.builder(DEVICE)
                .layout(LatentLayout.of(SHAPE, CacheType.F32))
                .pages(1)
                .build();
        Sequence sequence = plain.newSequence()) {
      assertTrue(sequence.isRewindable());
      assertEquals(0, plain.stateLayers());
      assertThrows(InvalidArgumentException.class, plain::stateLayout);
    }
    assertThrows(InvalidArgumentException.class, () -> new StateLayout(0, 8));
    assertThrows(InvalidArgumentException.class, () -> new StateLayout(1, 257));
    LatentCache.Builder builder = LatentCache.builder(DEVICE);
    assertThrows(InvalidArgumentException.class, () -> builder.states(null, 1));
    assertThrows(InvalidArgumentException.class, () -> builder.states(STATE, 0));
    assertThrows(InvalidArgumentException.class, () -> builder.sequences(-1));
  }
}
