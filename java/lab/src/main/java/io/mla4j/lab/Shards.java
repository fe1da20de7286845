package io.mla4j.lab;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.checkpoint.OutputFile;
import io.mla4j.checkpoint.SafetensorsWriter;
import io.mla4j.checkpoint.StoredTensor;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Tensors of a model on their way into a folder: one safetensors file, or several and their index.
 * New numbers are in memory until there are enough of them for a file.
 */
final class Shards implements AutoCloseable {
  private final Path folder;
  private final long most;

  /** The names in each file. */
  private final List<List<String>> files = new ArrayList<>();

  private List<String> names = new ArrayList<>();
  private SafetensorsWriter writer = new SafetensorsWriter().metadata("format", "pt");
  private Arena arena = Arena.ofConfined();
  private long inMemory;
  private long bytes;

  /** {@code most}: bytes of new numbers that are in memory at once, but for the last tensor. */
  Shards(Path folder, long most) {
    this.folder = folder;
    this.most = most;
  }

  /** A tensor as it was stored. */
  void add(StoredTensor stored) {
    names.add(stored.name());
    writer.add(stored.name(), stored.tensor());
    bytes += stored.segment().byteSize();
  }

  /** A new tensor in float32. */
  void add(String name, double[] values, long... shape) {
    long count = Arrays.stream(shape).reduce(1, Math::multiplyExact);
    MemorySegment segment = arena.allocate(Float.BYTES * count, 64);
    for (int i = 0; i < count; i++) {
      segment.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) values[i]);
    }
    names.add(name);
    writer.add(name, Tensor.of(segment, StorageFormat.F32, shape));
    bytes += segment.byteSize();
    inMemory += segment.byteSize();
    if (inMemory >= most) {
      flush();
    }
  }

  private void flush() {
    writer.write(unnamed(files.size()));
    arena.close();
    files.add(names);
    names = new ArrayList<>();
    writer = new SafetensorsWriter().metadata("format", "pt");
    arena = Arena.ofConfined();
    inMemory = 0;
  }

  /** How a file is called while nobody knows how many there will be. */
  private Path unnamed(int i) {
    return folder.resolve("shard-" + i);
  }

  /** Writes what is left, and names the files as loaders expect them. */
  void finish() throws IOException {
    if (!names.isEmpty()) {
      flush();
    }
    if (files.size() == 1) {
      Files.move(unnamed(0), folder.resolve("model.safetensors"));
      return;
    }
    ObjectNode index = new ObjectMapper().createObjectNode();
    index.putObject("metadata").put("total_size", bytes);
    ObjectNode map = index.putObject("weight_map");
    for (int i = 0; i < files.size(); i++) {
      String file =
          String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", i + 1, files.size());
      Files.move(unnamed(i), folder.resolve(file));
      files.get(i).forEach(name -> map.put(name, file));
    }
    OutputFile.write(folder.resolve("model.safetensors.index.json"), index.toPrettyString() + "\n");
  }

  @Override
  public void close() {
    arena.close();
  }
}
