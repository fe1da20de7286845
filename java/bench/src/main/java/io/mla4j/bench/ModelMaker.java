package io.mla4j.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.mla4j.checkpoint.SafetensorsWriter;
import io.mla4j.checkpoint.TensorNames;
import io.mla4j.checkpoint.TensorRole;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
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

  private final ModelShape shape;
  private final Arena arena;
  private final SafetensorsWriter writer = new SafetensorsWriter().metadata("format", "pt");
  private final TensorNames names = TensorNames.of("deepseek_v3");
  private final SplittableRandom random = new SplittableRandom(461);
  private final short[] normals = new short[TABLE];

  private ModelMaker(ModelShape shape, Arena arena) {
    this.shape = shape;
    this.arena = arena;
    for (int i = 0; i < TABLE; i++) {
      float value = (float) (DEVIATION * random.nextGaussian());
      normals[i] = (short) (Float.floatToRawIntBits(value) + 0x8000 >>> 16);
    }
  }

  /**
   * Writes a model of this shape to a folder, which is made if need be.
   *
   * @throws BenchException where the folder already has a model or cannot be written
   */
  static void make(ModelShape shape, Path folder) {
    Path config = folder.resolve("config.json");
    if (Files.exists(config)) {
      throw new BenchException(folder + " already holds a model; name another folder");
    }
    try (Arena arena = Arena.ofShared()) {
      Files.createDirectories(folder);
      ModelMaker maker = new ModelMaker(shape, arena);
      maker.addTensors();
      maker.writer.write(folder.resolve("model.safetensors"));
      new ObjectMapper()
          .writerWithDefaultPrettyPrinter()
          .writeValue(config.toFile(), shape.config());
    } catch (IOException e) {
      throw new BenchException(folder + ": cannot be written: " + e.getMessage(), e);
    }
  }

  private void addTensors() {
    matrix(TensorRole.EMBEDDING, 0, 0, shape.vocabulary(), shape.hidden());
    for (int i = 0; i < shape.layers(); i++) {
      addLayer(i);
    }
    norm(TensorRole.FINAL_NORM, 0, shape.hidden());
    matrix(TensorRole.OUTPUT, 0, 0, shape.vocabulary(), shape.hidden());
  }

  private void addLayer(int i) {
    int query = shape.heads() * (shape.nope() + shape.rope());
    norm(TensorRole.ATTENTION_NORM, i, shape.hidden());
    if (shape.queryLatent() == 0) {
      matrix(TensorRole.QUERY, i, 0, query, shape.hidden());
    } else {
      matrix(TensorRole.QUERY_DOWN, i, 0, shape.queryLatent(), shape.hidden());
      norm(TensorRole.QUERY_NORM, i, shape.queryLatent());
      matrix(TensorRole.QUERY_UP, i, 0, query, shape.queryLatent());
    }
    matrix(TensorRole.LATENT_DOWN, i, 0, shape.latent() + shape.rope(), shape.hidden());
    norm(TensorRole.LATENT_NORM, i, shape.latent());
    int up = shape.heads() * (shape.nope() + shape.value());
    matrix(TensorRole.LATENT_UP, i, 0, up, shape.latent());
    matrix(TensorRole.ATTENTION_OUTPUT, i, 0, shape.hidden(), shape.heads() * shape.value());
    norm(TensorRole.FFN_NORM, i, shape.hidden());
    if (i < shape.denseLayers()) {
      matrix(TensorRole.DENSE_GATE, i, 0, shape.denseWidth(), shape.hidden());
      matrix(TensorRole.DENSE_UP, i, 0, shape.denseWidth(), shape.hidden());
      matrix(TensorRole.DENSE_DOWN, i, 0, shape.hidden(), shape.denseWidth());
      return;
    }
    matrix(TensorRole.ROUTER, i, 0, shape.experts(), shape.hidden());
    for (int e = 0; e < shape.experts(); e++) {
      matrix(TensorRole.EXPERT_GATE, i, e, shape.expertWidth(), shape.hidden());
      matrix(TensorRole.EXPERT_UP, i, e, shape.expertWidth(), shape.hidden());
      matrix(TensorRole.EXPERT_DOWN, i, e, shape.hidden(), shape.expertWidth());
    }
    int shared = shape.sharedExperts() * shape.expertWidth();
    matrix(TensorRole.SHARED_GATE, i, 0, shared, shape.hidden());
    matrix(TensorRole.SHARED_UP, i, 0, shared, shape.hidden());
    matrix(TensorRole.SHARED_DOWN, i, 0, shape.hidden(), shared);
  }

  private void norm(TensorRole role, int layer, int width) {
    MemorySegment segment = arena.allocate(2L * width, 64);
    for (int i = 0; i < width; i++) {
      segment.setAtIndex(ValueLayout.JAVA_SHORT, i, ONE);
    }
    writer.add(names.name(role, layer, 0), Tensor.of(segment, StorageFormat.BF16, width));
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
        names.name(role, layer, expert), Tensor.of(segment, StorageFormat.BF16, rows, columns));
  }
}
