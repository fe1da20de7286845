package io.mla4j.checkpoint;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A model in GGUF: one file, or several whose names end in {@code -00001-of-00003.gguf}. The keys
 * of the first one count.
 *
 * @param file the first file
 * @param metadata its keys
 * @param tensors of all files by name
 */
record GgufShards(Path file, GgufMetadata metadata, Map<String, StoredTensor> tensors) {
  static final String ENDING = ".gguf";

  /** A vision tower beside its text model. */
  private static final String PROJECTOR = "mmproj";

  private static final Pattern SHARD = Pattern.compile("(.*)-(\\d{5})-of-(\\d{5})\\.gguf");
  private static final String NUMBER = "split.no";
  private static final String COUNT = "split.count";
  private static final String TENSORS = "split.tensors.count";
  private static final int MAX_SHARDS = 99_999;

  /** Whether {@code path} is called like a GGUF file. */
  static boolean isGguf(Path path) {
    return path.toString().toLowerCase(Locale.ROOT).endsWith(ENDING);
  }

  /**
   * The model in {@code directory}: the only GGUF file or the first of the only split one.
   *
   * @return null where there is none
   * @throws CheckpointException where there are several models
   */
  static @Nullable Path in(Path directory) {
    Map<String, Path> models = new TreeMap<>();
    try (Stream<Path> entries = Files.list(directory)) {
      for (Path entry : entries.filter(GgufShards::isGguf).sorted().toList()) {
        String name = entry.getFileName().toString();
        if (!name.startsWith(PROJECTOR)) {
          Matcher shard = SHARD.matcher(name);
          models.putIfAbsent(shard.matches() ? shard.group(1) : name, entry);
        }
      }
    } catch (IOException e) {
      throw new CheckpointException(directory + ": cannot be read: " + Quote.line(e.toString()), e);
    }
    if (models.size() > 1) {
      throw new CheckpointException(
          directory
              + ": has several models, of which one must be named: "
              + Quote.line(
                  String.join(
                      ", ",
                      models.values().stream().map(f -> f.getFileName().toString()).toList())));
    }
    return models.isEmpty() ? null : models.values().iterator().next();
  }

  /**
   * Maps {@code file} and, where it is one of several, the others.
   *
   * @throws CheckpointException naming the file and the key or tensor that is wrong
   */
  static GgufShards map(Path file, OpenFiles files) {
    Matcher name = SHARD.matcher(file.getFileName().toString());
    if (!name.matches() || name.group(3).equals("00001")) {
      GgufFile single = GgufFile.map(file, files);
      int count = single.metadata().wholeNumber(COUNT, 0, MAX_SHARDS).orElse(0);
      if (count > 1) {
        throw single
            .metadata()
            .error(COUNT, "is " + count + ", but the file is not called -00001-of-" + five(count));
      }
      return new GgufShards(file, single.metadata(), single.tensors());
    }
    int count = Integer.parseInt(name.group(3));
    if (count == 0) {
      throw new CheckpointException(file + ": is called one of no files");
    }
    return mapAll(file, name.group(1), count, files);
  }

  private static GgufShards mapAll(Path file, String prefix, int count, OpenFiles files) {
    Map<String, StoredTensor> tensors = new LinkedHashMap<>();
    List<GgufFile> shards = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      GgufFile shard = GgufFile.map(shard(file, prefix, i, count), files);
      shards.add(shard);
      requireNumber(shard.metadata(), NUMBER, i);
      requireNumber(shard.metadata(), COUNT, count);
      for (StoredTensor tensor : shard.tensors().values()) {
        StoredTensor other = tensors.putIfAbsent(tensor.name(), tensor);
        if (other != null) {
          throw tensor.error("is also in " + other.file());
        }
      }
    }
    GgufMetadata metadata = shards.getFirst().metadata();
    if (metadata.has(TENSORS)) {
      requireNumber(metadata, TENSORS, tensors.size());
    }
    return new GgufShards(shard(file, prefix, 0, count), metadata, tensors);
  }

  private static Path shard(Path file, String prefix, int i, int count) {
    return file.resolveSibling(prefix + "-" + five(i + 1) + "-of-" + five(count) + ENDING);
  }

  private static void requireNumber(GgufMetadata metadata, String key, int expected) {
    int number =
        metadata
            .wholeNumber(key, 0, Integer.MAX_VALUE)
            .orElseThrow(() -> metadata.error(key, "is missing"));
    if (number != expected) {
      throw metadata.error(key, "is " + number + ", but must be " + expected);
    }
  }

  private static String five(int number) {
    return String.format(Locale.ROOT, "%05d", number);
  }
}
