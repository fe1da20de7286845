package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.AttentionForm;
import io.mla4j.Backends;
import io.mla4j.Batch;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.ops.Tensor;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The layer for multi-token prediction against Hugging Face transformers, on every CPU backend. */
class PredictorTest {
  private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;

  static Stream<Backends.Choice> devices() {
    return GoldenLogitsTest.devices();
  }

  @ParameterizedTest
  @MethodSource("devices")
  void agreesWhicheverRowsCameAtOnce(Backends.Choice choice) {
    Golden golden = Golden.read("v3-mtp");
    int[] ids = golden.inputIds();
    float[] expected;
    try (Checkpoint file = Checkpoint.openFile(golden.directory().resolve("golden.safetensors"))) {
      expected = file.get("mtp_logits").toFloats();
    }
    double largest = 0;
    for (float value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    try (Device device = Backends.open(choice)) {
      for (AttentionForm form : List.of(AttentionForm.ABSORBED, AttentionForm.DECOMPRESSED)) {
        var options = new DecoderOptions(ComputeType.F32, CacheType.F32, form, 16, 72);
        try (Checkpoint checkpoint = Checkpoint.open(golden.directory());
            Decoder decoder = GoldenLogitsTest.open(golden, checkpoint, device, options);
            Predictor predictor = open(decoder, checkpoint);
            LatentCache cache = decoder.newCache(1, ids.length);
            LatentCache own = predictor.newCache(ids.length);
            Sequence trunk = cache.newSequence();
            Sequence rows = own.newSequence()) {
          Tensor hidden = decoder.forward(Batch.of(trunk), ids);
          int vocabulary = decoder.model().vocabulary();
          for (int stretch : new int[] {1, 5, 71}) {
            rows.truncate(0);
            double difference = 0;
            for (int begin = 0; begin + stretch <= ids.length - 1; begin += stretch) {
              // All rows but the last of a stretch are only cached.
              int last = begin + stretch - 1;
              if (stretch > 1) {
                predictor.remember(
                    rows,
                    hidden.slice(begin, stretch - 1),
                    Arrays.copyOfRange(ids, begin + 1, begin + stretch));
              }
              Tensor prediction = predictor.predict(rows, hidden.slice(last, 1), ids[last + 1]);
              float[] actual = predictor.logits(prediction).segment().toArray(FLOAT);
              for (int i = 0; i < vocabulary; i++) {
                difference =
                    Math.max(difference, Math.abs(actual[i] - expected[last * vocabulary + i]));
              }
            }
            assertTrue(
                difference <= GoldenLogitsTest.F32_BOUND * largest,
                choice + " " + form + " " + stretch + ": " + difference / largest);
          }
        }
      }
    }
  }

  @Test
  void aCheckpointWithoutTheLayerIsToldWhatItLacks() {
    Golden golden = Golden.read("v3-int8-channel");
    try (Checkpoint checkpoint = Checkpoint.open(golden.directory())) {
      ModelDescription predictor = ConfigReader.read(checkpoint).predictor().orElseThrow();
      CheckpointException error =
          assertThrows(
              CheckpointException.class, () -> WeightTable.resolvePredictor(predictor, checkpoint));
      assertTrue(error.getMessage().contains("model.layers.3.eh_proj.weight"), error.getMessage());
    }
  }

  /** Every row of a step has the bits that it has in a step of its own; so have those behind it. */
  @ParameterizedTest
  @MethodSource("devices")
  void aStepOfGuessesHasTheBitsOfSingleSteps(Backends.Choice choice) {
    try (Device device = Backends.open(choice)) {
      for (String name : List.of("v3-yarn", "v2-grouped", "v32-sparse", "youtu")) {
        Golden golden = Golden.read(name);
        int[] ids = golden.inputIds();
        for (ComputeType compute : ComputeType.values()) {
          var options = DecoderOptions.of(compute);
          try (Checkpoint checkpoint = Checkpoint.open(golden.directory());
              Decoder decoder = GoldenLogitsTest.open(golden, checkpoint, device, options);
              LatentCache cache = decoder.newCache(2, ids.length);
              Sequence single = cache.newSequence();
              Sequence together = cache.newSequence()) {
            Batch one = Batch.of(single);
            Batch other = Batch.of(together);
            decoder.append(one, Arrays.copyOf(ids, 40));
            decoder.append(other, Arrays.copyOf(ids, 40));
            // Guesses that were wrong leave nothing behind.
            decoder.forward(
                other, Decoder.Wanted.EACH, null, new int[] {ids[40], 3, 1, 4, 1, 5, 9});
            together.truncate(40);
            for (int n : new int[] {2, 7, 1, 12}) {
              int begin = single.length();
              float[][] expected = new float[n][];
              for (int i = 0; i < n; i++) {
                expected[i] = row(decoder.forward(one, new int[] {ids[begin + i]}), 0);
              }
              Tensor all =
                  decoder.forward(
                      other, Decoder.Wanted.EACH, null, Arrays.copyOfRange(ids, begin, begin + n));
              for (int i = 0; i < n; i++) {
                assertArrayEquals(expected[i], row(all, i), name + " " + choice + " " + compute);
              }
              assertEquals(single.length(), together.length());
            }
          }
        }
      }
    }
  }

  private static float[] row(Tensor hidden, int i) {
    long bytes = hidden.dim(1) * Float.BYTES;
    return hidden.segment().asSlice(i * bytes, bytes).toArray(FLOAT);
  }

  private static Predictor open(Decoder decoder, Checkpoint checkpoint) {
    ModelDescription model = decoder.model().predictor().orElseThrow();
    return new Predictor(
        model,
        WeightTable.resolvePredictor(model, checkpoint),
        decoder.device(),
        decoder.options());
  }
}
