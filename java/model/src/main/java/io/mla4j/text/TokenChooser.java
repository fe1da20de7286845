package io.mla4j.text;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import io.mla4j.model.Decoder;
import io.mla4j.ops.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/** Chooses the tokens of one text, on the device where it knows what the options ask for. */
final class TokenChooser {
  private final SamplingOptions options;
  private final Decoder decoder;
  private final boolean onDevice;
  private final Sampler sampler;
  private final SplittableRandom random;

  /** Random numbers for the device, those that were drawn and not used first. */
  private float[] uniform = new float[1];

  private int drawn;

  /** What the device chose. */
  private int[] chosen = new int[1];

  /** Logits that were read, row by row. */
  private float[] rows = new float[0];

  private int vocabulary;

  TokenChooser(SamplingOptions options, Decoder decoder) {
    this.options = options;
    this.decoder = decoder;
    this.onDevice =
        options.minP() == 0 && options.takesLogitsAsTheyAre() && decoder.device().choosesTokens();
    this.sampler = new Sampler(options);
    this.random = new SplittableRandom(options.seed());
  }

  /** The logits of one hidden state. */
  static float[] read(Decoder decoder, Tensor hidden) {
    float[] read = new float[decoder.model().vocabulary()];
    decoder.logits(
        hidden, (_, row) -> MemorySegment.copy(row.segment(), JAVA_FLOAT, 0, read, 0, read.length));
    return read;
  }

  SamplingOptions options() {
    return options;
  }

  /** Tells of a token that was not chosen here. */
  void observe(int id) {
    sampler.observe(id);
  }

  /** What follows a hidden state. */
  int choose(Tensor hidden) {
    if (onDevice) {
      chooseOnDevice(hidden);
      drawn--;
      System.arraycopy(uniform, 1, uniform, 0, drawn);
    } else {
      decoder.logits(hidden, (_, logits) -> chosen[0] = sampler.next(logits.segment()));
    }
    return chosen[0];
  }

  /** Reads what follows each of some hidden states, for {@link #chooseRead}. */
  void read(Tensor hidden) {
    if (onDevice) {
      chooseOnDevice(hidden);
      return;
    }
    vocabulary = decoder.model().vocabulary();
    int size = Math.toIntExact(hidden.dim(0) * vocabulary);
    if (rows.length < size) {
      rows = new float[size];
    }
    decoder.logits(
        hidden,
        (row, logits) ->
            MemorySegment.copy(
                logits.segment(), JAVA_FLOAT, 0, rows, row * vocabulary, vocabulary));
  }

  /**
   * What follows row {@code row} of those that were read. Rows are chosen from in their order, each
   * once.
   */
  int chooseRead(int row) {
    if (onDevice) {
      drawn--;
      System.arraycopy(uniform, 1, uniform, 0, drawn);
      return chosen[row];
    }
    long bytes = (long) vocabulary * Float.BYTES;
    return sampler.next(MemorySegment.ofArray(rows).asSlice(row * bytes, bytes));
  }

  /** The logits of row {@code row} of those that were read; null where the device kept them. */
  float @Nullable [] logitsRead(int row) {
    return onDevice ? null : Arrays.copyOfRange(rows, row * vocabulary, (row + 1) * vocabulary);
  }

  /** Each of the rows gets a random number of its own, whether it will be used or not. */
  private void chooseOnDevice(Tensor hidden) {
    int n = (int) hidden.dim(0);
    if (uniform.length < n) {
      uniform = Arrays.copyOf(uniform, n);
      chosen = new int[n];
    }
    while (drawn < n) {
      uniform[drawn++] = random.nextFloat();
    }
    decoder.choose(hidden, options.temperature(), options.topK(), options.topP(), uniform, chosen);
  }

  /** What follows by logits that were read already. */
  int choose(float[] logits) {
    return sampler.next(MemorySegment.ofArray(logits));
  }
}
