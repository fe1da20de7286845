package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.AttentionForm;
import io.mla4j.Backends;
import io.mla4j.Batch;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.GoldenCheckpointsTest;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.ModelFiles;
import io.mla4j.checkpoint.SafetensorsWriter;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.testkit.QuickRun;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The carried model's logits bit for bit, in every instruction set, compute type, cache type and
 * form of attention. {@code logit-hashes.txt} holds the first 16 digits of the SHA-256 of what
 * {@code mla4j logits --ids (150 of expected.json) --chunk 48 --threads 2 --out FILE} writes. Who
 * changes these bits on purpose writes new hashes and says why.
 */
class LogitHashesTest {
  private static final Path MODEL = GoldenCheckpointsTest.TINY_MLA;
  private static final int TOKENS = 150;
  private static final int CHUNK = 48;

  @TempDir private Path folder;

  record Line(
      String backend,
      String isa,
      ComputeType compute,
      CacheType cacheType,
      AttentionForm form,
      String hash) {
    static Line of(String text) {
      String[] words = text.split(" ");
      return new Line(
          words[0],
          words[1],
          ComputeType.valueOf(words[2]),
          CacheType.of(words[3]),
          AttentionForm.valueOf(words[4]),
          words[5]);
    }

    boolean isAvailable() {
      return Backends.list().stream()
          .anyMatch(
              status ->
                  status.name().equals(backend)
                      && status.available()
                      && status.isas().contains(isa));
    }
  }

  static Stream<Line> lines() throws Exception {
    Path file = Path.of(LogitHashesTest.class.getResource("/logit-hashes.txt").toURI());
    return Files.readAllLines(file).stream().map(Line::of);
  }

  @ParameterizedTest
  @MethodSource("lines")
  void sameBits(Line line) throws Exception {
    assumeFalse(QuickRun.leavesOut(line.backend), line.backend + " is left out of a quick run");
    assumeTrue(line.isAvailable(), "this processor lacks " + line.backend + " " + line.isa);
    Path file = folder.resolve("logits.safetensors");
    write(line, file);
    byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
    assertEquals(line.hash, HexFormat.of().formatHex(digest).substring(0, 16));
  }

  private static int[] ids() throws IOException {
    JsonNode expected = ModelFiles.MAPPER.readTree(MODEL.resolve("expected.json").toFile());
    return StreamSupport.stream(expected.get("logits").get("ids").spliterator(), false)
        .limit(TOKENS)
        .mapToInt(JsonNode::intValue)
        .toArray();
  }

  private static void write(Line line, Path file) throws IOException {
    int[] ids = ids();
    ModelDescription model = ConfigReader.read(MODEL);
    DecoderOptions options =
        new DecoderOptions(
            line.compute, line.cacheType, line.form, DecoderOptions.DEFAULT_PAGE_SIZE, CHUNK);
    try (Checkpoint checkpoint = Checkpoint.open(MODEL);
        Arena arena = Arena.ofShared();
        Device device = Backends.open(new Backends.Choice(line.backend, line.isa, 2));
        Decoder decoder =
            new Decoder(model, WeightTable.resolve(model, checkpoint), device, options);
        LatentCache cache = decoder.newCache(1, ids.length);
        Sequence sequence = cache.newSequence()) {
      long row = 4L * model.vocabulary();
      MemorySegment all = arena.allocate(row * ids.length, 64);
      for (int begin = 0; begin < ids.length; begin += CHUNK) {
        int first = begin;
        int[] chunk = Arrays.copyOfRange(ids, begin, Math.min(begin + CHUNK, ids.length));
        decoder.logits(
            decoder.forward(Batch.of(sequence), chunk),
            (i, logits) -> MemorySegment.copy(logits.segment(), 0, all, row * (first + i), row));
      }
      Tensor tensor = Tensor.of(all, StorageFormat.F32, ids.length, model.vocabulary());
      new SafetensorsWriter().add("logits", tensor).write(file);
    }
  }
}
