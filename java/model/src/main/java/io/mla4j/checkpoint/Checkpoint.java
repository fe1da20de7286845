package io.mla4j.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.ClosedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The tensors of a model: {@code model.safetensors} of a directory, the shards that {@code
 * model.safetensors.index.json} names, or a GGUF file, which may be split.
 *
 * <p>The files are memory-mapped and checked whole before the first tensor is handed out.
 * Thread-safe. Closing it invalidates every tensor.
 */
public final class Checkpoint implements AutoCloseable {
  private static final String SINGLE = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";
  private static final long MAX_INDEX_BYTES = 100_000_000;

  private final Path file;
  private final OpenFiles files = new OpenFiles();
  private final Map<String, StoredTensor> tensors = new LinkedHashMap<>();
  private @Nullable GgufMetadata metadata;
  private volatile boolean closed;

  private Checkpoint(Path file) {
    this.file = file;
  }

  /**
   * Opens the weights in a directory, or a GGUF file. Of a directory with both, safetensors are
   * taken.
   *
   * @throws CheckpointException naming the file and the tensor or key that is missing or malformed
   */
  public static Checkpoint open(Path path) {
    Path file = fileOf(path);
    Checkpoint checkpoint = new Checkpoint(file);
    try {
      if (GgufShards.isGguf(file)) {
        checkpoint.openGguf();
      } else if (file.endsWith(INDEX)) {
        checkpoint.openShards();
      } else {
        checkpoint.tensors.putAll(SafetensorsFile.map(file, checkpoint.files).tensors());
      }
      return checkpoint;
    } catch (RuntimeException | Error e) {
      checkpoint.close();
      throw e;
    }
  }

  /** The folder that its file is in. */
  Path directory() {
    return Objects.requireNonNull(file.toAbsolutePath().getParent(), "a file lies in a folder");
  }

  /** The GGUF file that would be opened at {@code path}, where it is one. */
  static Optional<Path> gguf(Path path) {
    if (!Files.isDirectory(path)) {
      return Optional.of(path).filter(GgufShards::isGguf);
    }
    return Files.exists(path.resolve(SINGLE)) || Files.exists(path.resolve(INDEX))
        ? Optional.empty()
        : Optional.ofNullable(GgufShards.in(path));
  }

  private static Path fileOf(Path path) {
    Optional<Path> gguf = gguf(path);
    if (gguf.isPresent()) {
      return gguf.get();
    }
    if (!Files.isDirectory(path)) {
      throw new CheckpointException(path + ": is neither a directory nor a GGUF file");
    }
    for (String name : List.of(SINGLE, INDEX)) {
      if (Files.exists(path.resolve(name))) {
        return path.resolve(name);
      }
    }
    throw new CheckpointException(
        path + ": has neither " + SINGLE + " nor " + INDEX + " nor a GGUF file");
  }

  /**
   * Opens one safetensors file of any name.
   *
   * @throws CheckpointException naming the file and tensor that is missing or malformed
   */
  public static Checkpoint openFile(Path file) {
    Checkpoint checkpoint = new Checkpoint(file);
    try {
      checkpoint.tensors.putAll(SafetensorsFile.map(file, checkpoint.files).tensors());
      return checkpoint;
    } catch (RuntimeException | Error e) {
      checkpoint.close();
      throw e;
    }
  }

  /** The keys of a GGUF file. */
  public Optional<GgufMetadata> gguf() {
    requireOpen();
    return Optional.ofNullable(metadata);
  }

  /** The file that was opened: the tensors' own, or the index of several. */
  public Path path() {
    return file;
  }

  /** The files that are mapped. */
  public OpenFiles files() {
    return files;
  }

  /**
   * Every tensor by name.
   *
   * @throws ClosedException where the checkpoint is closed
   */
  public Map<String, StoredTensor> tensors() {
    requireOpen();
    return Collections.unmodifiableMap(tensors);
  }

  /**
   * The tensor called {@code name}, where there is one.
   *
   * @throws ClosedException where the checkpoint is closed
   */
  public Optional<StoredTensor> find(String name) {
    requireOpen();
    return Optional.ofNullable(tensors.get(name));
  }

  /**
   * The tensor called {@code name}.
   *
   * @throws CheckpointException where there is none
   */
  public StoredTensor get(String name) {
    return find(name)
        .orElseThrow(
            () -> new CheckpointException(file + ": tensor " + Quote.name(name) + " is missing"));
  }

  /** Waits for operations that read the tensors, and unmaps the files. Twice is harmless. */
  @Override
  public void close() {
    closed = true;
    files.close();
  }

  private void requireOpen() {
    if (closed) {
      throw new ClosedException(file + " is closed");
    }
  }

  private void openGguf() {
    GgufShards shards = GgufShards.map(file, files);
    metadata = shards.metadata();
    tensors.putAll(shards.tensors());
  }

  private void openShards() {
    JsonNode weightMap = Json.readObject(file, MAX_INDEX_BYTES).get("weight_map");
    if (weightMap == null || !weightMap.isObject() || weightMap.isEmpty()) {
      throw new CheckpointException(
          file + ": key 'weight_map' must be an object that names a file for each tensor");
    }
    Map<String, Map<String, StoredTensor>> shards = new TreeMap<>();
    for (Map.Entry<String, JsonNode> entry : weightMap.properties()) {
      if (!entry.getValue().isTextual()) {
        throw new CheckpointException(
            file + ": tensor " + Quote.name(entry.getKey()) + " must have a file name as text");
      }
      shards.put(entry.getValue().textValue(), Map.of());
    }
    for (Map.Entry<String, Map<String, StoredTensor>> shard : shards.entrySet()) {
      shard.setValue(SafetensorsFile.map(shardFile(shard.getKey()), files).tensors());
      for (StoredTensor tensor : shard.getValue().values()) {
        StoredTensor other = tensors.putIfAbsent(tensor.name(), tensor);
        if (other != null) {
          throw tensor.error("is also in " + other.file());
        }
      }
    }
    for (Map.Entry<String, JsonNode> entry : weightMap.properties()) {
      if (!shards
          .getOrDefault(entry.getValue().textValue(), Map.of())
          .containsKey(entry.getKey())) {
        throw new CheckpointException(
            file
                + ": tensor "
                + Quote.name(entry.getKey())
                + " is not in "
                + Quote.name(entry.getValue().textValue()));
      }
    }
  }

  /**
   * Shards lie beside their index: a name that leads elsewhere, or back to the index, is refused
   * before a file is opened.
   */
  private Path shardFile(String name) {
    if (!name.endsWith(".safetensors")
        || name.contains("/")
        || name.contains("\\")
        || name.indexOf('\0') >= 0) {
      throw new CheckpointException(
          file
              + ": file "
              + Quote.name(name)
              + " must be the name of a .safetensors file in the same directory");
    }
    return file.resolveSibling(name);
  }
}
