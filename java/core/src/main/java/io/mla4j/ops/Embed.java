package io.mla4j.ops;

import io.mla4j.InvalidArgumentException;
import java.lang.foreign.ValueLayout;

/**
 * Rows of a table by number: {@code out[i] = scale * table[ids[i]]}.
 *
 * @param table (vocabulary, width)
 * @param ids (n) I32, each in 0 .. vocabulary - 1: looked at whenever the operation runs, where
 *     Java may read them
 * @param out (n, width) F32
 */
public record Embed(Weight table, Tensor ids, float scale, Tensor out) implements Operation {
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

  /**
   * Looks at the ids, before anything is changed.
   *
   * @throws InvalidArgumentException where one is outside of the vocabulary
   */
  public void requireIds() {
    int vocabulary = vocabulary();
    for (int i = 0; i < ids.dim(0); i++) {
      int id = ids.segment().get(ValueLayout.JAVA_INT_UNALIGNED, 4L * i);
      if (id < 0 || id >= vocabulary) {
        throw new InvalidArgumentException(
            "ids[" + i + "] is " + id + ", but the vocabulary is 0.." + (vocabulary - 1));
      }
    }
  }
}
