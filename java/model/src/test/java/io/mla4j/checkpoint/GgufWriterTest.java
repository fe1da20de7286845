package io.mla4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tensors as a GGUF file, by several threads. */
class GgufWriterTest {
  @TempDir private Path folder;

  @Test
  void aValueThatIsNoNumberLeavesTheOldFile() throws IOException {
    Path file = folder.resolve("old.gguf");
    Files.writeString(file, "old");
    float[] values = new float[64];
    values[33] = Float.NaN;
    Tensor tensor =
        Tensor.of(Arena.ofAuto().allocate(256, 64), StorageFormat.F32, 2, 32).copyFrom(values);
    StoredTensor stored =
        new StoredTensor("w", file, StoredType.F32, List.of(2L, 32L), tensor.segment());
    GgufWriter writer =
        new GgufWriter()
            .tensor(
                "weight",
                StoredType.Q8_0,
                List.of(2L, 32L),
                RowSource.Matrices.of(List.of(stored)));
    CheckpointException e =
        assertThrows(CheckpointException.class, () -> writer.write(file, 2, bytes -> {}));
    assertTrue(e.getMessage().contains("weight"), e.getMessage());
    assertEquals("old", Files.readString(file));
    try (var left = Files.list(folder)) {
      assertEquals(1, left.count());
    }
    assertFalse(e.getMessage().contains("\n"));
  }

  /** {@code count} rows: those of number i have the value i. */
  private record Rows(int columns, long rows) implements RowSource {
    @Override
    public void read(long first, int count, float[] to) {
      for (int i = 0; i < to.length; i++) {
        to[i] = first + i / columns;
      }
    }

    @Override
    public long bytes() {
      return 1;
    }
  }

  private Path write(int threads, StoredType type, List<Rows> all) {
    Path file = folder.resolve("rows.gguf");
    GgufWriter writer = new GgufWriter().put("general.architecture", "deepseek2");
    for (int i = 0; i < all.size(); i++) {
      Rows rows = all.get(i);
      writer.tensor("t" + i, type, List.of(rows.rows, (long) rows.columns), rows);
    }
    assertEquals(
        "tensor 't0' is taken",
        assertThrows(
                InvalidArgumentException.class,
                () -> writer.tensor("t0", type, List.of(1L, 1L), new Rows(1, 1)))
            .getMessage());
    writer.write(file, threads, bytes -> assertEquals(1, bytes));
    return file;
  }

  private static void assertWhole(Path file, List<Rows> all) {
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      for (int i = 0; i < all.size(); i++) {
        int columns = all.get(i).columns;
        float[] values = checkpoint.get("t" + i).toFloats();
        assertEquals(all.get(i).rows * columns, values.length);
        for (int j = 0; j < values.length; j++) {
          assertEquals(j / columns, values[j]);
        }
      }
    }
  }

  /** Parts of half a million elements each, read by several threads. */
  @Test
  void aTensorOfManyRowsIsWholeWhoeverReadsIt() {
    List<Rows> all = List.of(new Rows(1024, 2049), new Rows(512, 1024));
    for (int threads : new int[] {1, 3}) {
      assertWhole(write(threads, StoredType.F16, all), all);
    }
  }

  /** Tensors begin at multiples of 32 bytes. */
  @Test
  void tensorsOfAnySizeFollowEachOther() {
    List<Rows> all =
        List.of(new Rows(5, 1), new Rows(1, 1), new Rows(33, 3), new Rows(8, 1), new Rows(7, 7));
    assertWhole(write(2, StoredType.F32, all), all);
    assertWhole(write(2, StoredType.BF16, all), all);
  }

  @Test
  void whatReadingThrowsIsThrown() {
    RowSource faulty =
        new RowSource() {
          @Override
          public int columns() {
            return 1;
          }

          @Override
          public long rows() {
            return 1;
          }

          @Override
          public void read(long first, int count, float[] to) {
            throw new InternalError("a fault");
          }

          @Override
          public long bytes() {
            return 1;
          }
        };
    GgufWriter writer = new GgufWriter().tensor("a", StoredType.F32, List.of(1L, 1L), faulty);
    Path file = folder.resolve("faulty.gguf");
    assertEquals(
        "a fault",
        assertThrows(InternalError.class, () -> writer.write(file, 1, _ -> {})).getMessage());
    assertFalse(Files.exists(file));
  }
}
