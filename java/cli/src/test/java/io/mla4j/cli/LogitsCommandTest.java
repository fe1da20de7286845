package io.mla4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.StoredTensor;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** {@code mla4j logits}: against Hugging Face transformers, in every form of output. */
class LogitsCommandTest {
  @TempDir Path folder;

  static java.util.List<String> backends() {
    return TinyMla.backends();
  }

  private float[] written(Path file, String tensor) {
    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      StoredTensor stored = checkpoint.get(tensor);
      return stored.tensor().segment().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
    }
  }

  /** Largest distance to the expected top 5, relative to the largest of them. */
  private static double difference(JsonNode expected, float[] actual) {
    JsonNode top = expected.get("top5");
    int vocabulary = actual.length / top.size();
    double difference = 0;
    double largest = 0;
    for (int position = 0; position < top.size(); position++) {
      for (JsonNode pair : top.get(position)) {
        double value = pair.get(1).doubleValue();
        float logit = actual[position * vocabulary + pair.get(0).intValue()];
        difference = Math.max(difference, Math.abs(value - logit));
        largest = Math.max(largest, Math.abs(value));
      }
    }
    return difference / largest;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void agreesWithTransformers(String backend) {
    JsonNode expected = TinyMla.expected().get("logits");
    for (String compute : new String[] {"f32", "bf16"}) {
      Path file = folder.resolve(compute + ".safetensors");
      Command run =
          TinyMla.run(
              "logits",
              "--ids",
              TinyMla.ids(expected.get("ids")),
              "--out",
              file.toString(),
              "--compute",
              compute,
              "--backend",
              backend);
      assertEquals("", run.fine().out());
      assertTrue(run.err().contains("backend " + backend), run.err());
      double difference = difference(expected, written(file, "logits"));
      assertTrue(difference <= (compute.equals("f32") ? 3e-5 : 1e-2), compute + ": " + difference);
    }
  }

  @Test
  void aFileThatCannotBeWrittenIsNamedFirst() {
    Path none = folder.resolve("none");
    TinyMla.run("logits", "--ids", "0", "--out", none.resolve("x").toString())
        .refused(1, "there is no folder " + none);
    TinyMla.run("logits", "--ids", "0", "--out", folder.toString()).refused(1, "it is a folder");
  }

  @Test
  void aBatchGivesTheBitsOfEachAlone() {
    String[] ids = {"0,1062,263,347,396,327,3489,16,1955", "0", "0,5,17,4,9,100,7"};
    Path batch = folder.resolve("batch.safetensors");
    TinyMla.run(
            "logits",
            "--ids",
            ids[0],
            "--ids",
            ids[1],
            "--ids",
            ids[2],
            "--chunk",
            "4",
            "--out",
            batch.toString())
        .fine();
    for (int i = 0; i < ids.length; i++) {
      Path alone = folder.resolve("alone.safetensors");
      TinyMla.run(
              "logits",
              "--ids",
              ids[i],
              "--chunk",
              "4",
              "--threads",
              "1",
              "--out",
              alone.toString())
          .fine();
      assertArrayEquals(written(alone, "logits"), written(batch, "logits." + i));
    }
  }

  @Test
  void topFiveAsTextAndAsJson() {
    Command text =
        TinyMla.run("logits", "--ids", "0,1062", "--ids", "0", "--compute", "f32").fine();
    assertEquals(5, text.out().lines().count(), text.out());
    JsonNode json =
        TinyMla.json(
            TinyMla.run("logits", "--ids", "0,1062", "--ids", "0", "--compute", "f32", "--json")
                .fine()
                .out());
    assertEquals(4096, json.get("vocabulary").intValue());
    assertEquals("f32", json.get("computeType").textValue());
    JsonNode top = json.get("sequences").get(0).get("top").get(1);
    StringBuilder line = new StringBuilder("1 1062:");
    for (int j = 0; j < 5; j++) {
      line.append(j == 0 ? " " : ", ").append(top.get("ids").get(j).intValue());
      line.append(' ').append(top.get("logits").get(j).floatValue());
    }
    assertEquals(line.toString(), text.out().lines().toList().get(2));
  }

  /** A model without tokenizer files. */
  @Test
  void needsNoTokenizer() {
    Path golden = TinyMla.ROOT.resolve("java/model/src/test/resources/golden/youtu");
    assertTrue(Files.notExists(golden.resolve("tokenizer.json")));
    Command.run("logits", "--model", golden.toString(), "--ids", "0,1,2").fine();
  }

  @ParameterizedTest
  @CsvSource({"absorbed,7", "absorbed,1", "decompressed,512", "decompressed,7", "auto,512"})
  void everyFormAndChunkAgrees(String form, String chunk) {
    JsonNode expected = TinyMla.expected().get("logits");
    Path file = folder.resolve("form.safetensors");
    TinyMla.run(
            "logits",
            "--ids",
            TinyMla.ids(expected.get("ids")),
            "--out",
            file.toString(),
            "--compute",
            "f32",
            "--form",
            form,
            "--chunk",
            chunk,
            "--page",
            "5")
        .fine();
    float[] actual = written(file, "logits");
    assertTrue(difference(expected, actual) <= 3e-5, form + " " + chunk);
    assertEquals(200 * 4096, actual.length);
  }

  @Test
  void badArguments() {
    TinyMla.run("logits").refused(2, "--ids");
    TinyMla.run("logits", "--ids", "").refused(2, "--ids");
    TinyMla.run("logits", "--ids", "1,x").refused(2, "x");
    TinyMla.run("logits", "--ids", "1,-4").refused(2, "-4");
    TinyMla.run("logits", "--ids", "1", "--threads", "-1").refused(2, "--threads is -1");
    TinyMla.run("logits", "--ids", "1", "--threads", "9999").refused(2, "--threads is 9999");
    TinyMla.run("logits", "--ids", "1", "--chunk", "0").refused(2, "--chunk is 0");
    TinyMla.run("logits", "--ids", "1", "--page", "0").refused(2, "--page is 0");
    TinyMla.run("logits", "--ids", "1", "--pin", "all").refused(2, "--pin is all", "shared");
    TinyMla.run("logits", "--ids", "1", "--probabilities", "9")
        .refused(2, "--probabilities is 9", "8 or 15");
    TinyMla.run("logits", "--ids", "1", "--compute", "f16").refused(2, "f16");
    TinyMla.run("logits", "--ids", "1", "--form", "both").refused(2, "both");
    TinyMla.run("logits", "--ids", "1", "--backend", "gpu").refused(2, "gpu");
    TinyMla.run("logits", "--ids", "1", "--unknown").refused(2, "--unknown");
  }

  @Test
  void failures() {
    TinyMla.run("logits", "--ids", "0,4096").refused(1, "4096", "4095");
    TinyMla.run("logits", "--ids", "0", "--isa", "sse9").refused(1, "sse9");
    TinyMla.run("logits", "--ids", "0", "--backend", "cuda").refused(1, "cuda");
    String file = folder.resolve("absent/x.safetensors").toString();
    TinyMla.run("logits", "--ids", "0", "--out", file).refused(1, file);
    Path nowhere = folder.resolve("nowhere");
    Command.run("logits", "--model", nowhere.toString(), "--ids", "0")
        .refused(1, nowhere.toString());
    int[] tooLong = new int[5000];
    Arrays.fill(tooLong, 7);
    String ids = Arrays.toString(tooLong).replaceAll("[\\[\\] ]", "");
    TinyMla.run("logits", "--ids", ids).refused(1, "context");
  }

  @Test
  void stacktraceIsShownWhereAskedFor() {
    Command run = TinyMla.run("logits", "--ids", "0,4096", "--stacktrace");
    assertEquals(1, run.code());
    assertTrue(run.err().contains("\tat io.mla4j."), run.err());
    assertTrue(run.err().startsWith("mla4j: "), run.err());
  }
}
