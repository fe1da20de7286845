package io.mla4j.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.OutputFile;
import io.mla4j.checkpoint.SafetensorsWriter;
import io.mla4j.checkpoint.TensorNeed;
import io.mla4j.checkpoint.TensorRole;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Writes a model of random bf16 weights as a Hugging Face directory: config.json and
 * model.safetensors. The same numbers every time. Matrices are normal with deviation 0.02, as
 * DeepSeek's are before training; norms are 1.
 */
final class ModelMaker {
  private static final double DEVIATION = 0.02;
  private static final short ONE = (short) 0x3f80;

  /** Numbers are drawn from so many normal ones: four at a time from 64 random bits. */
  private static final int TABLE = 1 << 16;

  private final ModelDescription model;
  private final Arena arena;
  private final SafetensorsWriter writer = new SafetensorsWriter().metadata("format", "pt");
  private final SplittableRandom random = new SplittableRandom(461);
  private final short[] normals = new short[TABLE];

  private ModelMaker(ModelDescription model, Arena arena) {
    this.model = model;
    this.arena = arena;
    for (int i = 0; i < TABLE; i++) {
      float value = (float) (DEVIATION * random.nextGaussian());
      normals[i] = (short) (Float.floatToRawIntBits(value) + 0x8000 >>> 16);
    }
  }

  /**
   * Writes a model with this config.json to a folder, which is made if need be.
   *
   * @throws BenchException where the folder already has a model or cannot be written
   */
  static void make(Map<String, Object> config, Path folder) {
    Path file = folder.resolve("config.json");
    if (Files.exists(file)) {
      throw new BenchException(folder + " already holds a model; name another folder");
    }
    try (Arena arena = Arena.ofShared()) {
      Files.createDirectories(folder);
      OutputFile.write(
          file, new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(config));
      ModelMaker maker = new ModelMaker(ConfigReader.read(folder), arena);
      maker.addTensors();
      maker.writer.write(folder.resolve("model.safetensors"));
    } catch (IOException e) {
      throw new BenchException(folder + ": cannot be written: " + e.getMessage(), e);
    }
  }

  private void addTensors() {
    matrix(TensorRole.EMBEDDING, 0, 0, model.vocabulary(), model.hidden());
    for (int i = 0; i < model.layers().size(); i++) {
      for (TensorNeed need : TensorNeed.of(model.layers().get(i), model.hidden())) {
        for (int e = 0; e < need.count(); e++) {
          long rows = need.shape().getFirst();
          if (need.shape().size() == 1) {
            norm(need.role(), i, rows);
          } else {
            matrix(need.role(), i, e, rows, need.shape().get(1));
          }
        }
      }
    }
    norm(TensorRole.FINAL_NORM, 0, model.hidden());
    matrix(TensorRole.OUTPUT, 0, 0, model.vocabulary(), model.hidden());
  }

  private void norm(TensorRole role, int layer, long width) {
    MemorySegment segment = arena.allocate(2L * width, 64);
    for (long i = 0; i < width; i++) {
      segment.setAtIndex(ValueLayout.JAVA_SHORT, i, ONE);
    }
    writer.add(model.names().name(role, layer, 0), Tensor.of(segment, StorageFormat.BF16, width));
  }

  private void matrix(TensorRole role, int layer, int expert, long rows, long columns) {
    long count = rows * columns;
    MemorySegment segment = arena.allocate(2 * count, 64);
    for (long i = 0; i < count; i += 4) {
      long bits = random.nextLong();
      for (int j = 0; j < 4 && i + j < count; j++) {
        segment.setAtIndex(
            ValueLayout.JAVA_SHORT, i + j, normals[(int) (bits >>> 16 * j) & TABLE - 1]);
      }
    }
    writer.add(
        model.names().name(role, layer, expert),
        Tensor.of(segment, StorageFormat.BF16, rows, columns));
  }
}
