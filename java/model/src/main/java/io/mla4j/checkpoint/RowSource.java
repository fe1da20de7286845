package io.mla4j.checkpoint;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.mla4j.ops.Weight;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Where the rows of a tensor that is to be written come from. Thread-safe. */
interface RowSource {
  /** Elements that are read at once, about. */
  int AT_ONCE = 1 << 19;

  /** Elements of a row. */
  int columns();

  /** All rows. */
  long rows();

  /** Rows that are read at once. */
  default int rowsAtOnce() {
    return Math.max(1, AT_ONCE / columns());
  }

  /**
   * Reads rows as float32.
   *
   * @param first a multiple of {@link #rowsAtOnce}
   * @param to {@code to[0 .. count * columns)} is written
   */
  void read(long first, int count, float[] to);

  /** The bytes of rows that are stored in {@code type} already, or null. */
  default byte @Nullable [] stored(StoredType type, long first, int count) {
    return null;
  }

  /** Bytes that reading everything reads. */
  long bytes();

  /** One matrix, or several of the same shape one after the other: the experts of a layer. */
  record Matrices(List<StoredTensor> stored, List<Weight> weights) implements RowSource {
    static Matrices of(List<StoredTensor> stored) {
      return new Matrices(stored, stored.stream().map(Matrices::matrix).toList());
    }

    /** A vector is a matrix of one row. */
    private static Weight matrix(StoredTensor tensor) {
      return tensor.shape().size() == 2
          ? tensor.weight()
          : Weight.of(tensor.as(tensor.type(), List.of(1L, tensor.elements())).tensor());
    }

    @Override
    public int columns() {
      return weights.getFirst().in();
    }

    @Override
    public long rows() {
      return (long) weights.size() * weights.getFirst().out();
    }

    @Override
    public void read(long first, int count, float[] to) {
      int each = weights.getFirst().out();
      for (int i = 0; i < count; i++) {
        long row = first + i;
        Weight weight = weights.get((int) (row / each));
        weight.widen(row % each, 0, to, i * columns(), columns());
      }
    }

    @Override
    public byte @Nullable [] stored(StoredType type, long first, int count) {
      int each = weights.getFirst().out();
      if (stored.stream()
          .anyMatch(tensor -> tensor.type() != type || tensor.scales().isPresent())) {
        return null;
      }
      long row = type.bytes(columns());
      byte[] bytes = new byte[Math.toIntExact(count * row)];
      for (int i = 0; i < count; i++) {
        StoredTensor from = stored.get((int) ((first + i) / each));
        MemorySegment.copy(
            from.segment(), JAVA_BYTE, (first + i) % each * row, bytes, (int) (i * row), (int) row);
      }
      return bytes;
    }

    @Override
    public long bytes() {
      return stored.stream().mapToLong(StoredTensor::bytes).sum();
    }
  }

  /** The value rows of kv_b_proj, of each head those behind its keys. */
  record Values(StoredTensor stored, Weight latentUp, int heads, int nope, int value)
      implements RowSource {
    @Override
    public int columns() {
      return latentUp.in();
    }

    @Override
    public long rows() {
      return (long) heads * value;
    }

    @Override
    public void read(long first, int count, float[] to) {
      for (int i = 0; i < count; i++) {
        long row = (first + i) / value * (nope + value) + nope + (first + i) % value;
        latentUp.widen(row, 0, to, i * columns(), columns());
      }
    }

    @Override
    public long bytes() {
      return stored.bytes() / (nope + value) * value;
    }
  }

  /** The key rows of kv_b_proj, transposed: a head at a time, latent rows of nope elements. */
  record TransposedKeys(StoredTensor stored, Weight latentUp, int heads, int nope, int value)
      implements RowSource {
    @Override
    public int columns() {
      return nope;
    }

    @Override
    public long rows() {
      return (long) heads * latentUp.in();
    }

    @Override
    public int rowsAtOnce() {
      return latentUp.in();
    }

    @Override
    public void read(long first, int count, float[] to) {
      int latent = latentUp.in();
      long head = first / latent;
      float[] row = new float[latent];
      for (int i = 0; i < nope; i++) {
        latentUp.widen(head * (nope + value) + i, 0, row, 0, latent);
        for (int j = 0; j < latent; j++) {
          to[j * nope + i] = row[j];
        }
      }
    }

    @Override
    public long bytes() {
      return stored.bytes() / (nope + value) * nope;
    }
  }
}
