package io.mla4j.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.ComputeType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Scalings by which a token's rotation depends on the length of its text: however a prompt is cut,
 * it is rotated by its whole length, and what is cached stays as it is.
 */
class LengthDependentRotationTest {
  private static final Path TINY_MLA =
      Path.of(System.getProperty("mla4j.root"), "models", "tiny-mla");
  private static final int BOUNDARY = 16;
  private static final Map<String, String> SCALINGS =
      Map.of(
          "longrope",
          """
          {"rope_type": "longrope", "short_factor": [1, 1, 1, 1, 1, 1, 1, 1],
           "long_factor": [1, 1.5, 2, 3, 4, 6, 8, 12], "original_max_position_embeddings": 16,
           "factor": 4}
          """,
          "dynamic",
          "{\"rope_type\": \"dynamic\", \"factor\": 4}");

  @TempDir Path directory;
  private final int[] ids = new Random(3).ints(24, 2, 4096).toArray();

  private Model open(String scaling, int chunk) throws IOException {
    ObjectMapper mapper = new ObjectMapper();
    ObjectNode config = (ObjectNode) mapper.readTree(TINY_MLA.resolve("config.json").toFile());
    config.remove("rope_parameters");
    config.set("rope_scaling", mapper.readTree(SCALINGS.get(scaling)));
    config.put("max_position_embeddings", scaling.equals("dynamic") ? BOUNDARY : 64);
    Files.writeString(directory.resolve("config.json"), config.toString());
    for (String name : new String[] {"model.safetensors", "tokenizer.json"}) {
      Path link = directory.resolve(name);
      if (!Files.exists(link)) {
        Files.createSymbolicLink(link, TINY_MLA.resolve(name));
      }
    }
    return Model.builder(directory).threads(1).compute(ComputeType.F32).chunk(chunk).open();
  }

  private static void assertClose(float[] expected, float[] actual, String what) {
    float largest = 0;
    float difference = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      difference = Math.max(difference, Math.abs(expected[i] - actual[i]));
    }
    assertTrue(difference <= 1e-4 * largest, what + ": " + difference / largest);
  }

  /** After every id. */
  private static float[][] logits(Model model, int[] ids) {
    float[][] all = new float[ids.length][model.description().vocabulary()];
    model.logits(
        new int[][] {ids},
        (_, position, row) ->
            MemorySegment.copy(
                row.segment(), ValueLayout.JAVA_FLOAT, 0, all[position], 0, all[position].length));
    return all;
  }

  private static float[] last(Model model, int[] ids) {
    try (Session session = model.session()) {
      session.append(ids);
      return session.logits();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"longrope", "dynamic"})
  void everyChunkingIsOneCall(String scaling) throws IOException {
    float[][] whole;
    float[] end;
    try (Model model = open(scaling, 512)) {
      whole = logits(model, ids);
      end = last(model, ids);
      assertClose(whole[ids.length - 1], end, "both ways");
      // The scaling does something: the first tokens alone give other logits.
      float[] alone = last(model, Arrays.copyOf(ids, 10));
      float most = 0;
      for (int i = 0; i < alone.length; i++) {
        most = Math.max(most, Math.abs(alone[i] - whole[9][i]));
      }
      assertTrue(most > 0.01, "short and long rotations differ: " + most);
    }
    for (int chunk : new int[] {1, 5, 8, 16, 17}) {
      try (Model model = open(scaling, chunk)) {
        float[][] cut = logits(model, ids);
        for (int i = 0; i < ids.length; i++) {
          assertClose(whole[i], cut[i], "chunk " + chunk + ", position " + i);
        }
        assertClose(end, last(model, ids), "chunk " + chunk);
        try (Session session = model.session()) {
          for (int id : ids) {
            session.append(id);
          }
          assertClose(end, session.logits(), "one by one, chunk " + chunk);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"longrope", "dynamic"})
  void aTextThatGrowsBeyondTheBoundaryKeepsWhatIsCached(String scaling) throws IOException {
    int[] first = null;
    for (int chunk : new int[] {512, 5, 1}) {
      try (Model model = open(scaling, chunk);
          Session session = model.session()) {
        session.append(Arrays.copyOf(ids, BOUNDARY - 4));
        int[] generated = new int[12];
        for (int i = 0; i < generated.length; i++) {
          generated[i] = session.next(SamplingOptions.GREEDY);
        }
        first = first == null ? generated : first;
        assertArrayEquals(first, generated, "chunk " + chunk);
        // By history: the whole text as one prompt is rotated otherwise.
        float[] grown = session.logits();
        float[] prompt = last(model, session.ids());
        float most = 0;
        for (int i = 0; i < grown.length; i++) {
          most = Math.max(most, Math.abs(grown[i] - prompt[i]));
        }
        assertTrue(most > 1e-3, "the cached tokens keep their rotation: " + most);
      }
    }
  }

  @Test
  void forksAndTruncatedTextsGoOnByTheirOwnLength() throws IOException {
    try (Model model = open("longrope", 7);
        Session session = model.session(256)) {
      session.append(ids);
      float[] logits = session.logits();
      try (Session fork = session.fork()) {
        assertArrayEquals(logits, fork.logits());
        fork.truncate(0);
        fork.append(Arrays.copyOf(ids, 10));
        assertClose(last(model, Arrays.copyOf(ids, 10)), fork.logits(), "a short text again");
      }
      session.truncate(20);
      session.append(Arrays.copyOfRange(ids, 20, ids.length));
      assertClose(logits, session.logits(), "the same text again");
      assertEquals(ids.length, session.length());
    }
  }
}
