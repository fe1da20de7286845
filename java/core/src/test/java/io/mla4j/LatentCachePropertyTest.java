package io.mla4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.mla4j.cpu.ScalarBackend;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.AppendRows;
import io.mla4j.ops.RopeLayout;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.Backend;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/**
 * Random lives of a pool against a model in which a sequence is a list of numbered tokens and a
 * page a set of users.
 */
class LatentCachePropertyTest {
  private static final int LATENT = 3;
  private static final int ROPE = 2;

  /** Numbers of a row of the further group. */
  private static final int FURTHER = 5;

  /** The same lives in every run, and some new ones. */
  private static final int FIXED = 150;

  private static final int FRESH = 30;

  @Test
  void poolBehavesAsItsModel() {
    long fresh = System.nanoTime();
    LongStream.concat(LongStream.range(0, FIXED), LongStream.range(fresh, fresh + FRESH))
        .forEach(
            seed -> {
              try {
                live(new Random(seed));
              } catch (AssertionError | RuntimeException e) {
                throw new AssertionError("seed " + seed + ": " + e, e);
              }
            });
  }

  private static void live(Random random) {
    int pages = random.nextInt(1, 15);
    try (Device device = new ScalarBackend().open(new Backend.Options(1, null));
        LatentCache cache =
            LatentCache.builder(device)
                .layout(new LatentLayout(LATENT, ROPE, CacheType.F32))
                .layers(random.nextInt(1, 4))
                .group(new LatentLayout(FURTHER, 0, CacheType.F32), random.nextInt(1, 3))
                .pageSize(random.nextInt(1, 6))
                .pages(pages)
                .build()) {
      World world = new World(cache, random);
      for (int i = 0; i < 60; i++) {
        world.act();
        world.check();
      }
      while (!world.live.isEmpty()) {
        world.closeOne();
        world.check();
      }
      assertEquals(pages, cache.freePages());
    }
  }

  private static final class ModelPage {
    int users = 1;
  }

  private static final class Model {
    final Sequence real;
    final List<Integer> tokens = new ArrayList<>();
    final List<ModelPage> pages = new ArrayList<>();

    Model(Sequence real) {
      this.real = real;
    }
  }

  private static final class World {
    final LatentCache cache;
    final Random random;
    final List<Model> live = new ArrayList<>();
    private int nextToken = 1;

    World(LatentCache cache, Random random) {
      this.cache = cache;
      this.random = random;
    }

    void act() {
      int choice = random.nextInt(12);
      if (live.isEmpty() || choice == 0 && live.size() < 6) {
        live.add(new Model(cache.newSequence()));
      } else if (choice == 1 && live.size() < 6) {
        fork(pick());
      } else if (choice == 2) {
        truncate(pick());
      } else if (choice == 3) {
        closeOne();
      } else {
        step(choice > 4);
      }
    }

    private Model pick() {
      return live.get(random.nextInt(live.size()));
    }

    private void fork(Model origin) {
      Model copy = new Model(origin.real.fork());
      copy.tokens.addAll(origin.tokens);
      copy.pages.addAll(origin.pages);
      origin.pages.forEach(page -> page.users++);
      live.add(copy);
    }

    private void truncate(Model model) {
      int length = random.nextInt(model.tokens.size() + 1);
      model.real.truncate(length);
      model.tokens.subList(length, model.tokens.size()).clear();
      dropPages(model);
    }

    void closeOne() {
      Model model = live.remove(random.nextInt(live.size()));
      model.real.close();
      model.tokens.clear();
      dropPages(model);
    }

    private void dropPages(Model model) {
      while (model.pages.size() > Math.ceilDiv(model.tokens.size(), cache.pageSize())) {
        model.pages.removeLast().users--;
      }
    }

    private void step(boolean commits) {
      List<Model> chosen = new ArrayList<>();
      for (Model model : live) {
        if (random.nextBoolean()) {
          chosen.add(model);
        }
      }
      if (chosen.isEmpty()) {
        chosen.add(pick());
      }
      int[] tokens =
          chosen.stream().mapToInt(_ -> random.nextInt(2 * cache.pageSize() + 2)).toArray();
      int needed = 0;
      for (int i = 0; i < tokens.length; i++) {
        Model model = chosen.get(i);
        int total = Math.ceilDiv(model.tokens.size() + tokens[i], cache.pageSize());
        needed += total - model.pages.size() + (copies(model, tokens[i]) ? 1 : 0);
      }
      Batch batch = Batch.of(chosen.stream().map(m -> m.real).toArray(Sequence[]::new));
      if (needed > cache.pages() - usedPages()) {
        assertThrows(CacheFullException.class, () -> batch.reserve(tokens));
        return;
      }
      try (Step step = batch.reserve(tokens)) {
        List<List<Integer>> added = write(step, tokens);
        Sequence first = chosen.getFirst().real;
        assertThrows(InvalidStateException.class, () -> first.truncate(0));
        assertThrows(InvalidStateException.class, first::fork);
        if (commits) {
          step.commit();
          for (int i = 0; i < tokens.length; i++) {
            commit(chosen.get(i), added.get(i));
          }
        }
      }
    }

    private boolean copies(Model model, int n) {
      return n > 0
          && model.tokens.size() % cache.pageSize() != 0
          && model.pages.getLast().users > 1;
    }

    private void commit(Model model, List<Integer> added) {
      if (copies(model, added.size())) {
        model.pages.removeLast().users--;
        model.pages.add(new ModelPage());
      }
      model.tokens.addAll(added);
      while (model.pages.size() < Math.ceilDiv(model.tokens.size(), cache.pageSize())) {
        model.pages.add(new ModelPage());
      }
    }

    /** Appends rows of new numbered tokens in every layer. */
    private List<List<Integer>> write(Step step, int[] tokens) {
      List<List<Integer>> added = new ArrayList<>();
      int n = step.tokens();
      try (Arena arena = Arena.ofConfined()) {
        MlaShape shape = new MlaShape(1, LATENT, ROPE, 1, 1);
        DecodePlan plan = step.plan(shape, AttentionForm.ABSORBED);
        int first = nextToken;
        for (int count : tokens) {
          List<Integer> ids = new ArrayList<>();
          for (int t = 0; t < count; t++) {
            ids.add(nextToken++);
          }
          added.add(ids);
        }
        for (int layer = 0; layer < cache.layers(); layer++) {
          MemorySegment rows = arena.allocate(4L * Math.max(1, n) * (LATENT + ROPE), 64);
          MemorySegment ones = arena.allocate(4L * Math.max(1, n), 64);
          MemorySegment zeros = arena.allocate(4L * Math.max(1, n), 64);
          for (int t = 0; t < n; t++) {
            ones.setAtIndex(ValueLayout.JAVA_FLOAT, t, 1);
            for (int j = 0; j < LATENT + ROPE; j++) {
              rows.setAtIndex(
                  ValueLayout.JAVA_FLOAT, t * (LATENT + ROPE) + j, value(first + t, layer, j));
            }
          }
          Rotation none =
              new Rotation(
                  Tensor.of(ones, StorageFormat.F32, n, 1),
                  Tensor.of(zeros, StorageFormat.F32, n, 1),
                  RopeLayout.PAIRS);
          Tensor a = Tensor.of(rows, StorageFormat.F32, n, LATENT + ROPE);
          cache.device().run(new AppendLatent(layer, a, null, 0, none), plan);
        }
        for (int layer = 0; layer < cache.layers(1); layer++) {
          float[] rows = new float[n * FURTHER];
          for (int i = 0; i < rows.length; i++) {
            rows[i] = -value(first + i / FURTHER, layer, i % FURTHER);
          }
          Tensor a = Tensor.allocate(cache.device(), StorageFormat.F32, n, FURTHER);
          cache.device().run(new AppendRows(1, layer, a.copyFrom(rows)), plan);
        }
      }
      return added;
    }

    private static float value(int token, int layer, int j) {
      return token * 16 + layer * 5 + j;
    }

    private int usedPages() {
      Set<ModelPage> used = new HashSet<>();
      live.forEach(model -> used.addAll(model.pages));
      return used.size();
    }

    void check() {
      assertEquals(cache.pages() - usedPages(), cache.freePages());
      for (Model model : live) {
        assertEquals(model.tokens.size(), model.real.length());
        for (int layer = 0; layer < cache.layers(); layer++) {
          for (int s = 0; s < model.tokens.size(); s++) {
            checkRow(model, layer, s);
          }
        }
        for (int layer = 0; layer < cache.layers(1); layer++) {
          for (int s = 0; s < model.tokens.size(); s++) {
            for (int j = 0; j < FURTHER; j++) {
              assertEquals(-value(model.tokens.get(s), layer, j), stored(model, 1, layer, s, j));
            }
          }
        }
      }
    }

    private void checkRow(Model model, int layer, int s) {
      for (int j = 0; j < LATENT + ROPE; j++) {
        int element = j < LATENT ? j : cache.layout().ropeOffset() + j - LATENT;
        assertEquals(value(model.tokens.get(s), layer, j), stored(model, 0, layer, s, element));
      }
    }

    /** An element of token s's row. */
    private float stored(Model model, int group, int layer, int s, int element) {
      int page = model.real.pageTable().getAtIndex(ValueLayout.JAVA_INT, s / cache.pageSize());
      RowGroup rows = cache.group(group);
      long row =
          page * rows.params().pageStrideBytes()
              + s % cache.pageSize() * rows.params().layout().rowStrideBytes();
      return rows.base(layer).get(ValueLayout.JAVA_FLOAT, row + 4L * element);
    }
  }
}
