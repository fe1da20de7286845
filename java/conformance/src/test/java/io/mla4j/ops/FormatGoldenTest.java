package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import io.mla4j.spi.Kernels;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Given blocks of a format with random bits and scales at the edges of binary16, when they are
 * widened by Java or by any kernels, then they are bit for bit what PyPI's gguf 0.19.0 makes of
 * them (scripts/golden_formats.py; the elements that are stored under scales: what ml_dtypes 0.6.0
 * does).
 *
 * <p>A file: their number as an int, the blocks, their elements as float32.
 */
class FormatGoldenTest {
  static List<StorageFormat> formats() {
    List<StorageFormat> formats = new ArrayList<>(StorageFormat.weights());
    formats.removeAll(List.of(StorageFormat.F32, StorageFormat.BF16, StorageFormat.F16));
    return formats;
  }

  /**
   * @param rows (blocks, elements of a block) at an odd address
   */
  private record Golden(Tensor rows, float[] values) {
    static Golden read(StorageFormat format) throws IOException {
      try (InputStream in =
          FormatGoldenTest.class.getResourceAsStream("/io/mla4j/formats/" + format + ".bin")) {
        assertNotNull(in, "golden blocks of " + format);
        ByteBuffer file = ByteBuffer.wrap(in.readAllBytes()).order(ByteOrder.LITTLE_ENDIAN);
        int blocks = file.getInt();
        byte[] stored = new byte[blocks * format.blockBytes()];
        file.get(stored);
        float[] values = new float[blocks * format.blockElements()];
        file.asFloatBuffer().get(values);
        MemorySegment odd = Arena.ofAuto().allocate(stored.length + 1, 16).asSlice(1);
        MemorySegment.copy(MemorySegment.ofArray(stored), 0, odd, 0, stored.length);
        return new Golden(Tensor.of(odd, format, blocks, format.blockElements()), values);
      }
    }
  }

  private static void assertBits(float[] expected, float[] actual, String what) {
    for (int i = 0; i < expected.length; i++) {
      if (!(Float.isNaN(expected[i]) && Float.isNaN(actual[i]))) {
        int at = i;
        assertEquals(
            Float.floatToRawIntBits(expected[i]),
            Float.floatToRawIntBits(actual[i]),
            () -> what + " " + at + ": " + expected[at] + " became " + actual[at]);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("formats")
  void javaWidens(StorageFormat format) throws IOException {
    Golden golden = Golden.read(format);
    assertBits(golden.values, golden.rows.toArray(), "element");
  }

  /** The last block is read in part. */
  @ParameterizedTest
  @MethodSource("formats")
  void javaWidensPartOfABlock(StorageFormat format) throws IOException {
    Golden golden = Golden.read(format);
    int n = golden.values.length - format.blockElements() / 2;
    float[] values = new float[golden.values.length];
    format.widen(golden.rows.segment(), 0, values, 0, n);
    System.arraycopy(golden.values, n, values, n, values.length - n);
    assertBits(golden.values, values, "element");
  }

  @ParameterizedTest
  @MethodSource("formats")
  void kernelsWiden(StorageFormat format) throws IOException {
    Golden golden = Golden.read(format);
    int rows = (int) golden.rows.dim(0);
    for (Kernels kernels : AllKernels.all()) {
      Tensor ids =
          Tensor.of(Arena.ofAuto().allocate(4L * rows, 64), StorageFormat.I32, rows)
              .copyFrom(IntStream.range(0, rows).toArray());
      MemorySegment memory = Arena.ofAuto().allocate(4L * golden.values.length, 64);
      Tensor out = Tensor.of(memory, StorageFormat.F32, rows, format.blockElements());
      TileKernel kernel = kernels.bind(new Embed(Weight.of(golden.rows), ids, 1, out));
      kernel.prepare();
      kernel.run(new Tile().rows(0, rows));
      assertBits(golden.values, out.toArray(), kernels.isa() + ": element");
    }
  }
}
