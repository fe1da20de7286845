package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.Backends;
import io.mla4j.Batch;
import io.mla4j.BoundOperation;
import io.mla4j.CacheFullException;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.DeviceException;
import io.mla4j.InvalidStateException;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.ModelFiles;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.ops.Tensor;
import io.mla4j.text.Model;
import io.mla4j.text.SamplingOptions;
import io.mla4j.text.Session;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Models some layers of which have a state instead of rows of the cache. */
class HybridDecoderTest {
  private static final String CASE = "kimi-linear";
  private static final int[] IDS = Arrays.copyOf(Golden.read(CASE).inputIds(), 40);

  @TempDir private Path directory;

  private static float[] logits(Decoder decoder, Tensor hidden) {
    int vocabulary = decoder.model().vocabulary();
    float[] all = new float[(int) hidden.dim(0) * vocabulary];
    decoder.logits(
        hidden,
        (row, logits) ->
            MemorySegment.copy(
                logits.segment(), ValueLayout.JAVA_FLOAT, 0, all, row * vocabulary, vocabulary));
    return all;
  }

  private static Decoder decoder(Path model, Checkpoint checkpoint, Device device) {
    ModelDescription description = ConfigReader.read(model);
    return new Decoder(
        description,
        WeightTable.resolve(description, checkpoint),
        device,
        DecoderOptions.of(ComputeType.F32));
  }

  /** The model of the case without its last layer: then one with a state is the last. */
  private Path endingWithAState() {
    ModelFiles files = ModelFiles.copyOf(CASE, directory.resolve("short"));
    files.json(
        "config.json",
        config -> {
          config.put("num_hidden_layers", 4);
          ((ObjectNode) config.get("linear_attn_config")).putArray("full_attn_layers").add(3);
        });
    return files.directory();
  }

  @ParameterizedTest
  @MethodSource("io.mla4j.model.GoldenLogitsTest#devices")
  void aLastLayerWithAStateRemembersAllTokens(Backends.Choice choice) {
    Path model = endingWithAState();
    try (Device device = Backends.open(choice);
        Checkpoint checkpoint = Checkpoint.open(model);
        Decoder decoder = decoder(model, checkpoint, device);
        LatentCache cache = decoder.newCache(3, IDS.length);
        Sequence whole = cache.newSequence();
        Sequence parts = cache.newSequence();
        Sequence other = cache.newSequence()) {
      int vocabulary = decoder.model().vocabulary();
      float[] expected = logits(decoder, decoder.forward(Batch.of(whole), IDS));
      decoder.append(Batch.of(parts), Arrays.copyOf(IDS, 9));
      float[] last =
          logits(
              decoder,
              decoder.forwardLast(
                  Batch.of(parts, other), Arrays.copyOfRange(IDS, 9, 30), Arrays.copyOf(IDS, 5)));
      assertNear(row(expected, vocabulary, 29), row(last, vocabulary, 0), "token 29");
      assertNear(row(expected, vocabulary, 4), row(last, vocabulary, 1), "token 4");
      for (int i = 30; i < IDS.length; i++) {
        float[] next = logits(decoder, decoder.forwardLast(Batch.of(parts), new int[] {IDS[i]}));
        assertNear(row(expected, vocabulary, i), next, "token " + i);
      }
    }
  }

  /** Layers that attend to latents sum in another order where a text is cut in another way. */
  private static void assertNear(float[] expected, float[] actual, String message) {
    assertArrayEquals(expected, actual, 3e-5f, message);
  }

  private static float[] row(float[] all, int width, int row) {
    return Arrays.copyOfRange(all, row * width, (row + 1) * width);
  }

  /** A device whose operations fail from the one on that the counter says. */
  private static Device failing(Device device, int[] left) {
    return (Device)
        Proxy.newProxyInstance(
            Device.class.getClassLoader(),
            new Class<?>[] {Device.class},
            (_, method, arguments) -> {
              Object result = method.invoke(device, arguments);
              return result instanceof BoundOperation bound
                  ? (BoundOperation)
                      plan -> {
                        if (left[0]-- == 0) {
                          throw new DeviceException("this one fails");
                        }
                        bound.run(plan);
                      }
                  : result;
            });
  }

  @Test
  void aStepThatFailsLeavesTheStateAsItWas() {
    Path model = Golden.directory(CASE);
    int[] left = {Integer.MAX_VALUE};
    try (Device device = Backends.open(new Backends.Choice("scalar", null, 1));
        Checkpoint checkpoint = Checkpoint.open(model);
        Decoder decoder = decoder(model, checkpoint, failing(device, left));
        LatentCache cache = decoder.newCache(2, IDS.length);
        Sequence sequence = cache.newSequence();
        Sequence straight = cache.newSequence()) {
      float[] expected = logits(decoder, decoder.forward(Batch.of(straight), IDS));
      int vocabulary = decoder.model().vocabulary();
      for (int begin = 0; begin < IDS.length; begin += 8) {
        left[0] = 5 + begin;
        assertThrows(
            DeviceException.class, () -> decoder.forward(Batch.of(sequence), new int[] {7, 7}));
        left[0] = Integer.MAX_VALUE;
        int[] next = Arrays.copyOfRange(IDS, begin, begin + 8);
        float[] actual = logits(decoder, decoder.forward(Batch.of(sequence), next));
        assertNear(
            Arrays.copyOfRange(expected, begin * vocabulary, (begin + 8) * vocabulary),
            actual,
            "tokens from " + begin);
      }
    }
  }

  @Test
  void aSessionForksAndTellsThatItCannotBeRewound() {
    try (Model model =
            Model.builder(Golden.directory(CASE)).threads(1).pageSize(8).chunk(8).open();
        Session session = model.session(128)) {
      assertFalse(session.isRewindable());
      session.append(Arrays.copyOf(IDS, 20));
      float[] logits = session.logits();
      int[] drawn = new int[6];
      try (Session fork = session.fork()) {
        for (int i = 0; i < drawn.length; i++) {
          drawn[i] = fork.next(SamplingOptions.GREEDY);
        }
      }
      assertArrayEquals(logits, session.logits());
      for (int id : drawn) {
        assertEquals(id, session.next(SamplingOptions.GREEDY));
      }
      InvalidStateException e =
          assertThrows(InvalidStateException.class, () -> session.truncate(20));
      assertTrue(e.getMessage().contains("cannot be rewound"), e.getMessage());
      assertEquals(26, session.length());
      session.truncate(26);
      session.truncate(0);
      session.append(Arrays.copyOf(IDS, 20));
      assertArrayEquals(logits, session.logits());
    }
  }

  /**
   * Chunks that have gone through the model cannot be taken back: what stays goes through again.
   */
  @Test
  void aSessionIsAsItWasAfterAnAppendThatFails() {
    try (Model model =
            Model.builder(Golden.directory(CASE)).threads(1).pageSize(8).chunk(8).open();
        Session session = model.session(24);
        Session other = model.session(64)) {
      session.append(Arrays.copyOf(IDS, 10));
      float[] logits = session.logits();
      int[] tooMany = IntStream.range(0, 200).map(i -> i % 100).toArray();
      assertThrows(CacheFullException.class, () -> session.append(tooMany));
      assertEquals(10, session.length());
      assertArrayEquals(logits, session.logits());
      other.append(Arrays.copyOf(IDS, 10));
      assertEquals(other.next(SamplingOptions.GREEDY), session.next(SamplingOptions.GREEDY));
    }
  }
}
