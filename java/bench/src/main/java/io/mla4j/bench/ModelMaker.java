package io.mla4j.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.mla4j.Tensor;
import io.mla4j.TensorType;
import io.mla4j.model.SafetensorsWriter;
import io.mla4j.model.TensorNames;
import io.mla4j.model.TensorRole;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
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

  private final Preset preset;
  private final Arena arena;
  private final SafetensorsWriter writer = new SafetensorsWriter().metadata("format", "pt");
  private final SplittableRandom random = new SplittableRandom(461);
  private final short[] normals = new short[TABLE];

  private ModelMaker(Preset preset, Arena arena) {
    this.preset = preset;
    this.arena = arena;
    for (int i = 0; i < TABLE; i++) {
      float value = (float) (DEVIATION * random.nextGaussian());
      normals[i] = (short) (Float.floatToRawIntBits(value) + 0x8000 >>> 16);
    }
  }

  /**
   * Writes {@code preset} to a folder, which is made if need be.
   *
   * @throws BenchException where the folder already has a model or cannot be written
   */
  static void make(Preset preset, Path folder) {
    Path config = folder.resolve("config.json");
    if (Files.exists(config)) {
      throw new BenchException(folder + " already holds a model; name another folder");
    }
    try (Arena arena = Arena.ofShared()) {
      Files.createDirectories(folder);
      ModelMaker maker = new ModelMaker(preset, arena);
      maker.addTensors();
      maker.writer.write(folder.resolve("model.safetensors"));
      new ObjectMapper()
          .writerWithDefaultPrettyPrinter()
          .writeValue(config.toFile(), preset.config());
    } catch (IOException e) {
      throw new BenchException(folder + ": cannot be written: " + e.getMessage(), e);
    }
  }

  private void addTensors() {
    matrix(TensorRole.EMBEDDING, 0, 0, Preset.VOCABULARY, Preset.HIDDEN);
    for (int i = 0; i < preset.layers; i++) {
      addLayer(i);
    }
    norm(TensorRole.FINAL_NORM, 0, Preset.HIDDEN);
    matrix(TensorRole.OUTPUT, 0, 0, Preset.VOCABULARY, Preset.HIDDEN);
  }

  private void addLayer(int i) {
    int query = Preset.HEADS * (Preset.NOPE + Preset.ROPE);
    norm(TensorRole.ATTENTION_NORM, i, Preset.HIDDEN);
    if (preset.queryLatent == 0) {
      matrix(TensorRole.QUERY, i, 0, query, Preset.HIDDEN);
    } else {
      matrix(TensorRole.QUERY_DOWN, i, 0, preset.queryLatent, Preset.HIDDEN);
      norm(TensorRole.QUERY_NORM, i, preset.queryLatent);
      matrix(TensorRole.QUERY_UP, i, 0, query, preset.queryLatent);
    }
    matrix(TensorRole.LATENT_DOWN, i, 0, Preset.LATENT + Preset.ROPE, Preset.HIDDEN);
    norm(TensorRole.LATENT_NORM, i, Preset.LATENT);
    int up = Preset.HEADS * (Preset.NOPE + Preset.VALUE);
    matrix(TensorRole.LATENT_UP, i, 0, up, Preset.LATENT);
    matrix(TensorRole.ATTENTION_OUTPUT, i, 0, Preset.HIDDEN, Preset.HEADS * Preset.VALUE);
    norm(TensorRole.FFN_NORM, i, Preset.HIDDEN);
    if (i < preset.denseLayers) {
      matrix(TensorRole.DENSE_GATE, i, 0, Preset.DENSE_WIDTH, Preset.HIDDEN);
      matrix(TensorRole.DENSE_UP, i, 0, Preset.DENSE_WIDTH, Preset.HIDDEN);
      matrix(TensorRole.DENSE_DOWN, i, 0, Preset.HIDDEN, Preset.DENSE_WIDTH);
      return;
    }
    matrix(TensorRole.ROUTER, i, 0, Preset.EXPERTS, Preset.HIDDEN);
    for (int e = 0; e < Preset.EXPERTS; e++) {
      matrix(TensorRole.EXPERT_GATE, i, e, Preset.EXPERT_WIDTH, Preset.HIDDEN);
      matrix(TensorRole.EXPERT_UP, i, e, Preset.EXPERT_WIDTH, Preset.HIDDEN);
      matrix(TensorRole.EXPERT_DOWN, i, e, Preset.HIDDEN, Preset.EXPERT_WIDTH);
    }
    int shared = Preset.SHARED_EXPERTS * Preset.EXPERT_WIDTH;
    matrix(TensorRole.SHARED_GATE, i, 0, shared, Preset.HIDDEN);
    matrix(TensorRole.SHARED_UP, i, 0, shared, Preset.HIDDEN);
    matrix(TensorRole.SHARED_DOWN, i, 0, Preset.HIDDEN, shared);
  }

  private void norm(TensorRole role, int layer, int width) {
    MemorySegment segment = arena.allocate(2L * width, 64);
    for (int i = 0; i < width; i++) {
      segment.setAtIndex(ValueLayout.JAVA_SHORT, i, ONE);
    }
    writer.add(
        TensorNames.DEEPSEEK.name(role, layer, 0), Tensor.of(segment, TensorType.BF16, width));
  }

  private void matrix(TensorRole role, int layer, int expert, int rows, int columns) {
    long count = (long) rows * columns;
    MemorySegment segment = arena.allocate(2 * count, 64);
    for (long i = 0; i < count; i += 4) {
      long bits = random.nextLong();
      for (int j = 0; j < 4 && i + j < count; j++) {
        segment.setAtIndex(
            ValueLayout.JAVA_SHORT, i + j, normals[(int) (bits >>> 16 * j) & TABLE - 1]);
      }
    }
    writer.add(
        TensorNames.DEEPSEEK.name(role, layer, expert),
        Tensor.of(segment, TensorType.BF16, rows, columns));
  }
}
