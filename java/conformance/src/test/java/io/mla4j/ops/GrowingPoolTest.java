package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Backends;
import io.mla4j.Batch;
import io.mla4j.CacheType;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.Sequence;
import io.mla4j.SequenceRows;
import io.mla4j.Step;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The memory of a growing pool follows its use on every backend of a CPU. */
class GrowingPoolTest {
  @ParameterizedTest
  @ValueSource(strings = {"scalar", "vector", "native"})
  void takesUpWhatItsSequencesNeed(String backend) throws IOException {
    Assumptions.assumeTrue(Files.exists(Path.of("/proc/self/statm")), "no /proc");
    Assumptions.assumeTrue(
        Backends.list().stream().anyMatch(s -> s.name().equals(backend) && s.available()), backend);
    try (Device device = Backends.open(new Backends.Choice(backend, null, 1));
        LatentCache cache =
            LatentCache.builder(device)
                .layout(new LatentLayout(512, 64, CacheType.BF16))
                .layers(27)
                .budgetBytes(8L << 30)
                .growing(true)
                .build()) {
      assertTrue(cache.isGrowing());
      long before = residentPages();
      List<Sequence> sequences = new ArrayList<>();
      for (int i = 1; i <= 4; i++) {
        Sequence sequence = cache.newSequence();
        sequences.add(sequence);
        touch(cache, sequence, 1024);
        requireNear(i * 1024L * 27 * 1152, residentPages() - before);
      }
      sequences.get(1).close();
      sequences.get(3).truncate(512);
      requireNear(2560L * 27 * 1152, residentPages() - before);
      touch(cache, sequences.get(0), 2048);
      requireNear(4608L * 27 * 1152, residentPages() - before);
      assertEquals(4608L * 27 * 1152, cache.residentBytes());
      sequences.forEach(Sequence::close);
      requireNear(0, residentPages() - before);
    }
  }

  /** Appends tokens whose rows are written. */
  private static void touch(LatentCache cache, Sequence sequence, int tokens) throws IOException {
    try (Step step = Batch.of(sequence).reserve(tokens)) {
      step.commit();
    }
    fill(SequenceRows.of(sequence));
  }

  private static void fill(SequenceRows rows) throws IOException {
    for (int layer = 0; layer < rows.cache().layers(); layer++) {
      rows.write(
          new SequenceRows.Part(SequenceRows.Kind.ROWS, 0, layer), bytes -> bytes.fill((byte) 1));
    }
  }

  private static void requireNear(long bytes, long pages) {
    long resident = pages << 12;
    assertTrue(
        Math.abs(resident - bytes) <= bytes / 10 + (16 << 20),
        resident + " bytes are resident, but " + bytes + " are used");
  }

  private static long residentPages() throws IOException {
    return Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ")[1]);
  }
}
