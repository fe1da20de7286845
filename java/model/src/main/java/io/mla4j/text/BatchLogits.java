package io.mla4j.text;

import io.mla4j.Batch;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.model.Decoder;
import io.mla4j.ops.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The logits of sequences that go through a model as a batch, see {@link Model#logits}. */
final class BatchLogits {
  private final Model model;
  private final int[][] ids;
  private final Model.LogitConsumer consumer;

  BatchLogits(Model model, int[][] ids, Model.LogitConsumer consumer) {
    this.model = model;
    this.ids = ids;
    this.consumer = consumer;
  }

  void run() {
    int longest = Arrays.stream(ids).mapToInt(i -> i.length).max().orElse(1);
    try (LatentCache cache = model.decoder().newCache(ids.length, longest)) {
      Sequence[] all = new Sequence[ids.length];
      Arrays.setAll(all, _ -> cache.newSequence());
      for (int i = 0; i < all.length; i++) {
        all[i].announce(ids[i].length);
      }
      while (model.step(() -> step(all))) {}
    }
  }

  /** A chunk of every sequence that is not at its end; false where all are. */
  private boolean step(Sequence[] sequences) {
    List<Sequence> active = new ArrayList<>();
    List<int[]> next = new ArrayList<>();
    List<int[]> origins = new ArrayList<>(); // of each row: its sequence and position
    for (int i = 0; i < ids.length; i++) {
      int begin = sequences[i].length();
      int end = (int) Math.min(ids[i].length, (long) begin + model.options().chunk());
      if (begin < end) {
        active.add(sequences[i]);
        next.add(Arrays.copyOfRange(ids[i], begin, end));
        for (int position = begin; position < end; position++) {
          origins.add(new int[] {i, position});
        }
      }
    }
    if (active.isEmpty()) {
      return false;
    }
    Decoder decoder = model.decoder();
    Tensor hidden =
        decoder.forward(Batch.of(active.toArray(Sequence[]::new)), next.toArray(int[][]::new));
    decoder.logits(
        hidden, (row, logits) -> consumer.accept(origins.get(row)[0], origins.get(row)[1], logits));
    return true;
  }
}
