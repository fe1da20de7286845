package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Backends;
import io.mla4j.CacheFullException;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentCache;
import io.mla4j.Mla4jException;
import io.mla4j.checkpoint.CacheFile;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.ModelFiles;
import io.mla4j.text.Model;
import io.mla4j.text.SamplingOptions;
import io.mla4j.text.Session;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Sessions in files: the same bits when they come back, and nothing from a file that is not whole.
 */
class SavedSessionTest {
  private static final String NAME = "v2-lite";

  /** How often the process that saves is killed; {@code -Dmla4j.kills=200} outside of CI. */
  private static final int KILLS = Integer.getInteger("mla4j.kills", 4);

  @TempDir private Path directory;
  private final Device device = Backends.open(new Backends.Choice(null, null, 1));

  @AfterEach
  void close() {
    device.close();
  }

  private Model.Builder builder(String name) {
    return Model.builder(Golden.directory(name)).withoutTokenizer().device(device).pageSize(16);
  }

  private static int[] ids(int tokens) {
    return Arrays.copyOf(Golden.read(NAME).inputIds(), tokens);
  }

  private static float[][] goOn(Session session) {
    float[][] logits = new float[4][];
    for (int i = 0; i < logits.length; i++) {
      logits[i] = session.logits();
      session.next(SamplingOptions.GREEDY);
    }
    return logits;
  }

  private static void assertSame(float[][] expected, float[][] actual) {
    for (int i = 0; i < expected.length; i++) {
      assertArrayEquals(expected[i], actual[i], "token " + i);
    }
  }

  private Path saved(Model model, int tokens) {
    Path file = directory.resolve(tokens + ".safetensors");
    try (Session session = model.session()) {
      session.append(ids(tokens));
      session.save(file);
    }
    return file;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"v2-lite", "v32-sparse", "v3-dynamic-ntk", "longcat-flash", "kimi-linear"})
  void aLoadedSessionGoesOnWithTheSameBits(String name) {
    int[] text = Golden.read(name).inputIds();
    Path file = directory.resolve("text");
    for (CacheType type : CacheType.all()) {
      for (int tokens : new int[] {1, 16, Math.min(45, text.length)}) {
        try (Model model = builder(name).cacheType(type).open();
            Session session = model.session()) {
          session.append(Arrays.copyOf(text, tokens));
          session.save(file);
          try (Session loaded = model.load(file)) {
            assertArrayEquals(session.ids(), loaded.ids());
            assertSame(goOn(session), goOn(loaded));
          }
        }
      }
    }
  }

  @Test
  void whatWasGeneratedIsSavedToo() {
    Path file = directory.resolve("text");
    try (Model model = builder(NAME).open();
        Session session = model.session()) {
      session.append(ids(20));
      goOn(session);
      session.save(file);
      try (Session loaded = model.load(file, 64)) {
        assertSame(goOn(session), goOn(loaded));
        loaded.truncate(7);
        loaded.append(ids(30));
        loaded.logits();
      }
    }
  }

  @Test
  void idsAndLogitsAreThoseOfTheVocabulary() throws IOException {
    try (Model model = builder(NAME).open();
        LatentCache cache = model.decoder().newCache(1, 32)) {
      Path file = saved(model, 20);
      Map<String, String> identity = identity(file);
      CacheFile.Loaded loaded = CacheFile.load(file, cache, identity);
      int vocabulary = model.description().vocabulary();
      int[] ids = loaded.text().ids();
      CacheFile.save(
          file, loaded.sequence(), new CacheFile.Text(ids, new float[vocabulary]), identity);
      model.load(file).close();
      CacheFile.save(
          file, loaded.sequence(), new CacheFile.Text(ids, new float[vocabulary - 1]), identity);
      assertRefused(model, file, "has " + (vocabulary - 1) + " logits");
      for (int wrong : new int[] {-1, vocabulary}) {
        ids[19] = wrong;
        CacheFile.save(file, loaded.sequence(), new CacheFile.Text(ids, null), identity);
        assertRefused(model, file, "has ids that are none");
      }
    }
  }

  private static Map<String, String> identity(Path file) throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    Map<String, String> identity = new LinkedHashMap<>();
    ModelFiles.MAPPER
        .readTree(bytes, 8, (int) ModelFiles.headerLength(bytes))
        .get("__metadata__")
        .properties()
        .forEach(
            entry -> {
              if (entry.getKey().startsWith("model.")) {
                identity.put(
                    entry.getKey().substring("model.".length()), entry.getValue().textValue());
              }
            });
    return identity;
  }

  private static void assertRefused(Model model, Path file, String detail) {
    String message = assertThrows(CheckpointException.class, () -> model.load(file)).getMessage();
    assertTrue(message.contains(detail), message);
  }

  @Test
  void aSharedCacheLoadsToo() {
    try (Model alone = builder(NAME).open();
        Model model = builder(NAME).sharedCache(128).open()) {
      Path file = saved(alone, 40);
      try (Session expected = alone.load(file);
          Session loaded = model.load(file)) {
        assertSame(goOn(expected), goOn(loaded));
      }
    }
  }

  @Test
  void otherModelsCacheTypesAndRoomsAreRefused() {
    try (Model model = builder(NAME).compute(ComputeType.F32).open();
        Model bf16 = builder(NAME).compute(ComputeType.F32).cacheType(CacheType.BF16).open();
        Model other = builder("v2-grouped").compute(ComputeType.F32).open()) {
      Path file = saved(model, 40);
      refused(bf16, file, "'group.0.cache_type' is 'F32', but must be 'BF16'");
      refused(other, file, "key 'model.");
      assertThrows(CacheFullException.class, () -> model.load(file, 30));
      refused(model, directory.resolve("nothing"), "nothing");
      refused(model, Golden.directory(NAME).resolve("model.safetensors"), "'ids' is missing");
    }
  }

  private static void refused(Model model, Path file, String what) {
    String message = assertThrows(CheckpointException.class, () -> model.load(file)).getMessage();
    assertTrue(message.contains(what) && message.contains(file.toString()), message);
    assertFalse(message.contains("\n"), message);
  }

  @Test
  void alteredAndTruncatedFilesAreRefused() throws IOException {
    try (Model model = builder(NAME).open()) {
      byte[] whole = Files.readAllBytes(saved(model, 20));
      Path file = directory.resolve("altered");
      Random random = new Random(1);
      for (int i = 0; i < 300; i++) {
        byte[] bytes = whole.clone();
        int at = i < 100 ? random.nextInt(2500) : random.nextInt(bytes.length);
        if (i % 3 == 0) {
          bytes = Arrays.copyOf(bytes, at);
        } else {
          bytes[at] ^= (byte) (1 << random.nextInt(8));
        }
        Files.write(file, bytes);
        try (Session session = model.load(file)) {
          assertArrayEquals(ids(20), session.ids(), "changed at " + at);
          assertTrue(isHarmless(whole, at), "byte " + at + " was changed, and nobody noticed");
        } catch (CheckpointException e) {
          assertTrue(e.getMessage().contains(file.toString()), e.getMessage());
        }
      }
      for (String[] change :
          List.of(
              new String[] {"\"version\":\"2\"", "\"version\":\"1\""},
              new String[] {"mla4j-cache", "mla4j-other"},
              new String[] {"rows.0.1", "rows.9.9"},
              new String[] {"\"tokens\":\"20\"", "\"tokens\":\"21\""})) {
        String text = new String(whole, StandardCharsets.ISO_8859_1);
        assertTrue(text.contains(change[0]));
        Files.write(file, text.replace(change[0], change[1]).getBytes(StandardCharsets.ISO_8859_1));
        refused(model, file, "");
      }
    }
  }

  /** Between the tokens of JSON one white space is as good as another. */
  private static boolean isHarmless(byte[] whole, int at) {
    return whole[at] == ' ';
  }

  @Test
  void whatCannotBeSavedSaysSo() throws IOException {
    try (Model model = builder(NAME).open();
        Session empty = model.session();
        Session session = model.session()) {
      Path file = directory.resolve("text");
      assertThrows(InvalidArgumentException.class, () -> empty.save(file));
      session.append(ids(5));
      Path nowhere = directory.resolve("no/such/folder");
      assertThrows(Mla4jException.class, () -> session.save(nowhere));
      Path full = Path.of("/dev/full");
      if (Files.exists(full)) {
        assertThrows(Mla4jException.class, () -> session.save(full));
      }
      assertFalse(Files.exists(file));
      assertEquals(List.of(), files());
    }
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> all = Files.list(directory)) {
      return all.toList();
    }
  }

  /** Saves one text after the other to the same file until it is killed. */
  static final class Saver {
    private Saver() {}

    public static void main(String[] args) {
      try (Device device = Backends.open(new Backends.Choice("scalar", null, 1));
          Model model =
              Model.builder(Golden.directory(NAME))
                  .withoutTokenizer()
                  .device(device)
                  .compute(ComputeType.F32)
                  .open();
          Session session = model.session()) {
        for (int i = 0; ; i++) {
          session.truncate(0);
          session.append(ids(30 + i % 40));
          session.save(Path.of(args[0]));
          System.out.println("saved");
        }
      }
    }
  }

  @Test
  void whoeverIsKilledLeavesTheOldFileOrTheNewOne() throws Exception {
    Path file = directory.resolve("text");
    Random random = new Random(7);
    try (Model model = builder(NAME).compute(ComputeType.F32).open()) {
      for (int i = 0; i < KILLS; i++) {
        Process saver =
            new ProcessBuilder(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-XX:+UseSerialGC",
                    "-XX:TieredStopAtLevel=1",
                    "-cp",
                    System.getProperty("java.class.path"),
                    Saver.class.getName(),
                    file.toString())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        try (InputStream out = saver.getInputStream()) {
          assertTrue(out.read() >= 0, "the first file was written");
          Thread.sleep(0, random.nextInt(1_000_000));
          Thread.sleep(random.nextInt(40));
        } finally {
          saver.destroyForcibly();
          assertTrue(saver.waitFor(60, TimeUnit.SECONDS));
        }
        try (Session session = model.load(file)) {
          assertArrayEquals(ids(session.length()), session.ids(), "kill " + i);
        }
      }
      assertTrue(CacheFile.tokens(file) >= 30);
    }
  }
}
