package io.mla4j.ops;

import io.mla4j.InvalidArgumentException;

/**
 * Rows of a table by number: {@code out[i] = scale * table[ids[i]]}.
 *
 * @param table (vocabulary, width)
 * @param ids (n) I32, each in 0 .. vocabulary - 1: looked at whenever the operation runs, where
 *     Java may read them
 * @param out (n, width) F32
 */
public record Embed(Weight table, Tensor ids, float scale, Tensor out) implements RowOperation {
  /** Checks types and shapes. */
  public Embed {
    Checks.requireFloats("out", out, 2);
    Checks.requireOutput("out", out, StorageFormat.F32, out.dim(0), out.dim(1));
    Checks.require("ids", ids, StorageFormat.I32, out.dim(0));
    Checks.requireMatrix("table", table);
    Checks.require("table", table, table.tensor().dim(0), out.dim(1));
    Checks.toInt("vocabulary", table.tensor().dim(0));
    Checks.toInt("width", out.dim(1));
  }

  /** Rows of the table. */
  public int vocabulary() {
    return (int) table.tensor().dim(0);
  }

  @Override
  public void checkNumbers() {
    int vocabulary = vocabulary();
    for (int i = 0; i < ids.dim(0); i++) {
      int id = Floats.getInt(ids.segment(), i);
      if (id < 0 || id >= vocabulary) {
        throw refused(i, id);
      }
    }
  }

  @Override
  public int rows() {
    return (int) out.dim(0);
  }

  @Override
  public long rowElements() {
    return out.dim(1);
  }

  @Override
  public void compute(int begin, int end) {
    int width = (int) out.dim(1);
    float[] row = Scratch.ofThread().floats(0, width);
    for (int i = begin; i < end; i++) {
      int id = Floats.getInt(ids.segment(), i);
      if (id < 0 || id >= vocabulary()) {
        throw refused(i, id);
      }
      table.widen(id, 0, row, 0, width);
      for (int j = 0; j < width; j++) {
        row[j] *= scale;
      }
      Floats.write(row, 0, out.segment(), i * out.stride(0), width);
    }
  }

  private InvalidArgumentException refused(int i, int id) {
    return new InvalidArgumentException(
        "ids[" + i + "] is " + id + ", but the vocabulary is 0.." + (vocabulary() - 1));
  }
}
