package io.mla4j.text;

import io.mla4j.testkit.FuzzTarget;
import io.mla4j.testkit.ReaderFuzz;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Given the file of a session that was saved, whose header is changed ({@link ReaderFuzz}), when it
 * is loaded and goes on, then that succeeds or ends in a typed error of one line, and the pool has
 * all of its pages again.
 */
class SnapshotFuzzTest {
  private static final Path MODEL = Path.of(System.getProperty("mla4j.root"), "models/tiny-mla");

  private static final FuzzTarget SNAPSHOT = new FuzzTarget("snapshot", SnapshotFuzzTest::open);

  /** What is fuzzed here. */
  public static final class Targets implements FuzzTarget.Provider {
    @Override
    public List<FuzzTarget> targets() {
      return List.of(SNAPSHOT);
    }
  }

  @Test
  void headerOfASnapshot(@TempDir Path folder) throws IOException {
    ReaderFuzz.runRefusingSome(SNAPSHOT, folder, 500);
  }

  private static FuzzTarget.Opened open(Path folder) throws IOException {
    Path file = folder.resolve("text.cache");
    Model model = Model.builder(MODEL).threads(1).sharedCache(1024).open();
    try (Session session = model.session()) {
      session.append("In the beginning");
      session.next(SamplingOptions.GREEDY);
      session.save(file);
    }
    byte[] original = Files.readAllBytes(file);
    long header = ByteBuffer.wrap(original).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
    return new FuzzTarget.Opened(
        original,
        (int) header + 8,
        bytes -> {
          Files.write(file, bytes);
          try (Session session = model.load(file)) {
            session.append(" and");
          }
        },
        () -> {
          Files.write(file, original);
          try (model;
              Session session = model.load(file)) {
            session.next(SamplingOptions.GREEDY);
          }
        });
  }
}
