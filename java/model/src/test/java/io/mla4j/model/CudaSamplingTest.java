package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Device;
import io.mla4j.InvalidArgumentException;
import io.mla4j.ops.Argmax;
import io.mla4j.ops.Mirror;
import io.mla4j.ops.Sample;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.text.Sampler;
import io.mla4j.text.SamplingOptions;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Comparator;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A token that a CUDA device chooses is the one that the host's formulas give. */
class CudaSamplingTest {
  private static final int ROWS = 12;
  private static final int VOCABULARY = 1030;

  /** Closer to the border of two tokens float32 may choose either. */
  private static final double NEAR = 1e-4;

  private final SplittableRandom random = new SplittableRandom(4);

  private Mirror logits(Device device, Arena arena) {
    Mirror logits = Mirror.allocate(device, arena, StorageFormat.F32, ROWS, VOCABULARY);
    for (long i = 0; i < ROWS * VOCABULARY; i++) {
      float logit = (float) (2 * random.nextGaussian());
      logits.host().segment().setAtIndex(ValueLayout.JAVA_FLOAT, i, logit);
    }
    logits.toDevice();
    return logits;
  }

  @Test
  void theLargestIsTheHosts() {
    try (Device device = CudaDevices.open();
        Arena arena = Arena.ofShared()) {
      Mirror logits = logits(device, arena);
      // Equal ones: the first.
      logits.host().segment().setAtIndex(ValueLayout.JAVA_FLOAT, 700, 50);
      logits.host().segment().setAtIndex(ValueLayout.JAVA_FLOAT, 31, 50);
      logits.toDevice();
      Mirror ids = Mirror.allocate(device, arena, StorageFormat.I32, ROWS);
      device.run(new Argmax(logits.onDevice(), ids.onDevice()));
      ids.toHost();
      Sampler host = new Sampler(SamplingOptions.GREEDY);
      for (int row = 0; row < ROWS; row++) {
        MemorySegment numbers = logits.host().slice(row, 1).reshape(VOCABULARY).segment();
        int expected = host.next(numbers.asSlice(0, 4L * VOCABULARY));
        assertEquals(expected, ids.host().segment().getAtIndex(ValueLayout.JAVA_INT, row));
      }
      assertEquals(31, ids.host().segment().getAtIndex(ValueLayout.JAVA_INT, 0));
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 0, 1", "0.7, 5, 1", "1.3, 0, 0.6", "0.8, 20, 0.9", "0.5, 1, 1", "2, 2000, 0.01"})
  void aDrawIsTheOneThatTheProbabilitiesGive(float temperature, int topK, float topP) {
    try (Device device = CudaDevices.open();
        Arena arena = Arena.ofShared()) {
      Mirror logits = logits(device, arena);
      Mirror uniform = Mirror.allocate(device, arena, StorageFormat.F32, ROWS);
      float[] draws = new float[ROWS];
      for (int row = 0; row < ROWS; row++) {
        draws[row] = row == 0 ? 0 : random.nextFloat();
      }
      MemorySegment.copy(
          draws, 0, uniform.host().segment(), ValueLayout.JAVA_FLOAT, 0, draws.length);
      uniform.toDevice();
      Mirror ids = Mirror.allocate(device, arena, StorageFormat.I32, ROWS);
      device.run(
          new Sample(
              logits.onDevice(), temperature, topK, topP, uniform.onDevice(), ids.onDevice()));
      ids.toHost();
      int clear = 0;
      for (int row = 0; row < ROWS; row++) {
        int id = ids.host().segment().getAtIndex(ValueLayout.JAVA_INT, row);
        clear += requirePassed(logits.host(), row, temperature, topK, topP, draws[row], id);
      }
      assertTrue(clear >= ROWS / 2, "only " + clear + " draws were far from a border");
    }
  }

  /** 1 where the draw stood clearly inside of its token, which the id then must be. */
  private static int requirePassed(
      Tensor logits, int row, float temperature, int topK, float topP, float draw, int id) {
    double[] weights = new double[VOCABULARY];
    for (int i = 0; i < VOCABULARY; i++) {
      long at = (long) row * VOCABULARY + i;
      weights[i] = Math.exp(logits.segment().getAtIndex(ValueLayout.JAVA_FLOAT, at) / temperature);
    }
    Integer[] order = IntStream.range(0, VOCABULARY).boxed().toArray(Integer[]::new);
    Arrays.sort(order, Comparator.comparingDouble(i -> -weights[i]));
    int kept = topK == 0 ? VOCABULARY : Math.min(topK, VOCABULARY);
    double total = IntStream.range(0, kept).mapToDouble(i -> weights[order[i]]).sum();
    double sum = 0;
    int count = 0;
    while (count < kept && (sum < topP * total || topP == 1)) {
      sum += weights[order[count++]];
    }
    int[] ids = Arrays.stream(order, 0, count).mapToInt(i -> i).sorted().toArray();
    assertTrue(
        Arrays.binarySearch(ids, id) >= 0, "row " + row + ": " + id + " is none of those kept");
    double passed = 0;
    for (int i : ids) {
      double begin = passed;
      passed += weights[i] / sum;
      if (draw > begin + NEAR && draw < passed - NEAR) {
        assertEquals(i, id, "row " + row + ", drawn " + draw);
        return 1;
      }
    }
    return 0;
  }

  @Test
  void wrongArgumentsAreNamed() {
    try (Device device = CudaDevices.open();
        Arena arena = Arena.ofShared()) {
      Device sampling = device;
      Tensor logits = logits(device, arena).onDevice();
      Tensor ids = Mirror.allocate(device, arena, StorageFormat.I32, ROWS).onDevice();
      Tensor uniform = Mirror.allocate(device, arena, StorageFormat.F32, ROWS).onDevice();
      Tensor few = Mirror.allocate(device, arena, StorageFormat.I32, 2).onDevice();
      refuses("ids", () -> sampling.run(new Argmax(logits, few)));
      refuses("logits", () -> sampling.run(new Argmax(uniform, ids)));
      refuses("uniform", () -> sampling.run(new Sample(logits, 1, 0, 1, ids, ids)));
      refuses("temperature", () -> sampling.run(new Sample(logits, 0, 0, 1, uniform, ids)));
      refuses("temperature", () -> sampling.run(new Sample(logits, Float.NaN, 0, 1, uniform, ids)));
      refuses("topK", () -> sampling.run(new Sample(logits, 1, -1, 1, uniform, ids)));
      refuses("topP", () -> sampling.run(new Sample(logits, 1, 0, 0, uniform, ids)));
      refuses("topP", () -> sampling.run(new Sample(logits, 1, 0, 1.5f, uniform, ids)));
    }
  }

  private static void refuses(String name, Runnable call) {
    Exception e = assertThrows(InvalidArgumentException.class, call::run);
    assertTrue(e.getMessage().startsWith(name), e.getMessage());
  }
}
