package io.mla4j.bench;

import io.mla4j.Backends;
import io.mla4j.Batch;
import io.mla4j.CacheType;
import io.mla4j.Device;
import io.mla4j.LatentCache;
import io.mla4j.LatentLayout;
import io.mla4j.Sequence;
import io.mla4j.SequenceRows;
import io.mla4j.Step;
import io.mla4j.checkpoint.CacheFile;
import io.mla4j.text.Model;
import io.mla4j.text.SamplingOptions;
import io.mla4j.text.Session;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Times of a latent cache: forks, files, and prompts that begin alike. Each is a line with a
 * median, beside what it is compared with.
 */
public final class CacheFigures {
  private static final int LAYERS = 27;
  private static final int TOKENS = 16384;
  private static final int RUNS = 3;

  private final Backends.Choice choice;
  private final int threads;
  private final Consumer<String> lines;

  /**
   * With the fastest backend.
   *
   * @param threads 0 for the physical cores
   */
  public CacheFigures(int threads, Consumer<String> lines) {
    this.choice = new Backends.Choice(null, null, threads);
    this.threads = threads;
    this.lines = lines;
  }

  private static LatentCache cache(Device device, int tokens, int layers) {
    return LatentCache.builder(device)
        .layout(new LatentLayout(512, 64, CacheType.BF16))
        .layers(layers)
        .tokens(tokens)
        .growing(layers > 1 && tokens > 100_000)
        .build();
  }

  /** Nanoseconds, the median. */
  private static long median(int runs, Body body) throws IOException {
    long[] times = new long[runs];
    for (int i = 0; i < runs; i++) {
      times[i] = nanos(body);
    }
    Arrays.sort(times);
    return times[runs / 2];
  }

  private void print(String what, double value, String unit) {
    lines.accept(String.format(Locale.ROOT, "%-46s %10.2f %s", what, value, unit));
  }

  /**
   * A sequence of 100,001 tokens is forked, and the fork closed.
   *
   * @throws IOException never
   */
  public void fork() throws IOException {
    try (Device device = Backends.open(choice);
        LatentCache cache = cache(device, 200_000, LAYERS);
        Sequence origin = cache.newSequence()) {
      try (Step step = Batch.of(origin).reserve(100_001)) {
        step.commit();
      }
      Body once = () -> origin.fork().close();
      median(2000, once);
      print("fork of 100001 tokens, and closing it", median(1001, once) / 1e3, "us");
    }
  }

  /**
   * Saving and loading 16384 tokens of 27 layers, next to writes and reads of as many bytes.
   *
   * @throws IOException where the folder cannot be written
   */
  public void files(Path folder) throws IOException {
    Path own = Files.createTempDirectory(folder, "mla4j-bench-");
    Path file = own.resolve("cache.safetensors");
    Path plain = own.resolve("plain");
    Map<String, String> model = Map.of("family", "figures");
    int[] ids = new int[TOKENS];
    try (Device device = Backends.open(choice);
        LatentCache cache = cache(device, 2 * TOKENS, LAYERS)) {
      Sequence origin =
          SequenceRows.load(
              cache,
              TOKENS,
              rows -> {
                for (int layer = 0; layer < LAYERS; layer++) {
                  byte fill = (byte) layer;
                  rows.write(
                      new SequenceRows.Part(SequenceRows.Kind.ROWS, 0, layer), b -> b.fill(fill));
                }
              });
      CacheFile.Text text = new CacheFile.Text(ids, null);
      long bytes = (long) TOKENS * LAYERS * 1152;
      long[][] times = new long[6][RUNS];
      for (int i = 0; i < RUNS; i++) {
        times[0][i] = nanos(() -> write(plain, bytes));
        times[1][i] = nanos(() -> save(file, origin, text, model));
        Processes.drop(plain);
        times[2][i] = nanos(() -> read(plain));
        times[3][i] = nanos(() -> read(plain));
        Processes.drop(file);
        times[4][i] = nanos(() -> load(file, cache, model));
        times[5][i] = nanos(() -> load(file, cache, model));
      }
      String[] names = {
        "plain write and sync of as many bytes",
        "save",
        "plain read from the disk",
        "plain read of what the system has cached",
        "load from the disk",
        "load of what the system has cached"
      };
      for (int i = 0; i < names.length; i++) {
        Arrays.sort(times[i]);
        print(names[i], bytes / 1e6 / (times[i][RUNS / 2] / 1e9), "MB/s");
      }
    } finally {
      Files.deleteIfExists(file);
      Files.deleteIfExists(plain);
      Files.delete(own);
    }
  }

  private interface Body {
    void run() throws IOException;
  }

  private static long nanos(Body body) throws IOException {
    long start = System.nanoTime();
    body.run();
    return System.nanoTime() - start;
  }

  private static void save(
      Path file, Sequence sequence, CacheFile.Text text, Map<String, String> model) {
    CacheFile.save(file, sequence, text, model);
  }

  private static void load(Path file, LatentCache cache, Map<String, String> model) {
    CacheFile.load(file, cache, model).sequence().close();
  }

  private static void write(Path file, long bytes) throws IOException {
    ByteBuffer block = ByteBuffer.allocateDirect(1 << 20);
    try (FileChannel channel =
        FileChannel.open(
            file,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE)) {
      for (long at = 0; at < bytes; at += block.capacity()) {
        channel.write(block.clear());
      }
      channel.force(true);
    }
  }

  private static void read(Path file) throws IOException {
    ByteBuffer block = ByteBuffer.allocateDirect(1 << 20);
    try (FileChannel channel = FileChannel.open(file)) {
      while (channel.read(block.clear()) >= 0) {}
    }
  }

  /**
   * The first token of a prompt of 2048 tokens, 1984 of which are shared, and that of a saved one.
   *
   * @throws IOException where there is no room for a temporary file
   */
  public void sharing(Path folder) throws IOException {
    int[] ids = new int[2048];
    Arrays.setAll(ids, i -> 5 + i * 7 % 900);
    Path file = Files.createTempFile("mla4j", ".cache");
    try (Model model =
            Model.builder(folder).threads(threads).withoutTokenizer().sharedCache(16384).open();
        Model plain = Model.builder(folder).withoutTokenizer().device(model.device()).open()) {
      lines.accept(model.summary());
      long[] alone = new long[3];
      long[] shared = new long[3];
      long[] usual = new long[3];
      for (int i = -1; i < 3; i++) {
        usual[Math.max(i, 0)] = firstToken(plain.session(2049), ids);
        String salt = "run " + i;
        alone[Math.max(i, 0)] = firstToken(model.session(salt), ids);
        int[] other = ids.clone();
        Arrays.fill(other, 1984, 2048, 7);
        shared[Math.max(i, 0)] = firstToken(model.session(salt), other);
      }
      Arrays.sort(alone);
      Arrays.sort(shared);
      Arrays.sort(usual);
      print("first token after 2048, no shared cache", usual[1] / 1e6, "ms");
      print("first token after 2048, nothing shared", alone[1] / 1e6, "ms");
      print("first token after 2048, 1984 shared", shared[1] / 1e6, "ms");
      print("part", 100.0 * shared[1] / alone[1], "%");
      try (Session session = plain.session(2049)) {
        session.append(ids);
        session.save(file);
      }
      long start = System.nanoTime();
      Session loaded = plain.load(file, 2049);
      long read = System.nanoTime() - start;
      loaded.next(SamplingOptions.GREEDY);
      print("load of 2048 tokens", read / 1e6, "ms");
      print("first token after it", (System.nanoTime() - start - read) / 1e6, "ms");
      loaded.close();
    } finally {
      Files.delete(file);
    }
  }

  private static long firstToken(Session session, int[] ids) {
    try (session) {
      long start = System.nanoTime();
      session.append(ids);
      session.next(SamplingOptions.GREEDY);
      return System.nanoTime() - start;
    }
  }
}
