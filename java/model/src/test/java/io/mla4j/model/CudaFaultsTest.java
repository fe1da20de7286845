package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Batch;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.DeviceException;
import io.mla4j.DeviceLostException;
import io.mla4j.DeviceMemoryException;
import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.ModelFiles;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.cuda.Emulator;
import io.mla4j.cuda.Emulator.Counters;
import io.mla4j.ops.Tensor;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Given a small model on an emulated device, when any one allocation or launch fails or loses the
 * device, then the error has its type, nothing is leaked, and the next run gives the right tokens.
 */
class CudaFaultsTest {
  private static final DecoderOptions OPTIONS = DecoderOptions.of(ComputeType.BF16);

  private Emulator emulator;
  private ModelDescription model;
  private Checkpoint checkpoint;

  /** One dense layer and one of experts. */
  @BeforeEach
  void openModel(@TempDir Path folder) {
    emulator = Emulator.get();
    ModelFiles files = ModelFiles.copyOf("v2-lite", folder.resolve("model"));
    files.json("config.json", config -> config.put("num_hidden_layers", 2));
    model = ConfigReader.read(files.directory());
    checkpoint = Checkpoint.open(files.directory());
  }

  /** Where the device is not emulated, the tests are skipped before there is anything to close. */
  @AfterEach
  void closeModel() {
    if (emulator != null) {
      emulator.reset();
      checkpoint.close();
    }
  }

  private Decoder decoder(Device device) {
    return new Decoder(model, WeightTable.resolve(model, checkpoint), device, OPTIONS);
  }

  /** The tokens after a prompt of one. */
  private static int[] generate(Decoder decoder, int count) {
    int[] ids = new int[count];
    try (LatentCache cache = decoder.newCache(1, count);
        Sequence sequence = cache.newSequence()) {
      int[] chosen = {7};
      for (int i = 0; i < count; i++) {
        Tensor hidden = decoder.forward(Batch.of(sequence), chosen);
        decoder.choose(hidden, 0, 0, 1, null, chosen);
        ids[i] = chosen[0];
      }
    }
    return ids;
  }

  private int[] openAndGenerate(int count) {
    try (Device device = CudaDevices.open();
        Decoder decoder = decoder(device)) {
      return generate(decoder, count);
    }
  }

  private void assertHolds(Counters before, String when) {
    Counters after = emulator.counters();
    assertTrue(after.holdsWhat(before), when + ": " + before + " became " + after);
  }

  @Test
  void everyAllocation() {
    Counters before = emulator.counters();
    int[] expected = openAndGenerate(2);
    long count = emulator.counters().allocations() - before.allocations();
    assertHolds(before, "without a fault");
    assertTrue(count > 20, "allocations: " + count);
    for (long n = 0; n < count; n++) {
      emulator.failAllocation(n);
      assertThrows(DeviceMemoryException.class, () -> openAndGenerate(2), "allocation " + n);
      assertHolds(before, "allocation " + n);
    }
    assertArrayEquals(expected, openAndGenerate(2));
  }

  @Test
  void everyAllocationOfAStepThatCanBeRepeated() {
    Counters before = emulator.counters();
    int[] expected = openAndGenerate(1);
    try (Device device = CudaDevices.open();
        Decoder counted = decoder(device)) {
      long open = emulator.counters().allocations();
      generate(counted, 1);
      long count = emulator.counters().allocations() - open;
      for (long n = 0; n < count; n++) {
        try (Device fresh = CudaDevices.open();
            Decoder decoder = decoder(fresh)) {
          emulator.failAllocation(n);
          assertThrows(DeviceMemoryException.class, () -> generate(decoder, 1), "allocation " + n);
          assertArrayEquals(expected, generate(decoder, 1), "after allocation " + n);
        }
      }
    }
    assertHolds(before, "at the end");
  }

  @Test
  void everyLaunchOfAStepThatCanBeRepeated() {
    Counters before = emulator.counters();
    try (Device device = CudaDevices.open();
        Decoder decoder = decoder(device)) {
      int[] expected = generate(decoder, 1);
      Counters open = emulator.counters();
      generate(decoder, 1);
      long count = emulator.counters().launches() - open.launches();
      assertTrue(count > 30, "launches: " + count);
      for (long n = 0; n < count; n++) {
        emulator.failLaunch(n);
        Exception e =
            assertThrows(DeviceException.class, () -> generate(decoder, 1), "launch " + n);
        assertTrue(
            e.getMessage().matches("\\w+_kernel\\S*: too many resources .*"), e.getMessage());
        assertHolds(open, "launch " + n);
        assertArrayEquals(expected, generate(decoder, 1), "after launch " + n);
      }
    }
    assertHolds(before, "at the end");
    assertEquals("", emulator.takeReports());
  }

  @Test
  void everyLaunchThatLosesTheDevice() {
    Counters before = emulator.counters();
    int[] expected = openAndGenerate(2);
    long count = emulator.counters().launches() - before.launches();
    for (long n = 0; n < count; n++) {
      emulator.loseDeviceAt(n);
      assertThrows(DeviceLostException.class, () -> openAndGenerate(2), "launch " + n);
      assertHolds(before, "launch " + n);
      emulator.reset();
    }
    assertArrayEquals(expected, openAndGenerate(2));
  }

  @Test
  void aModelThatDoesNotFitIsNotBegun() {
    Counters before = emulator.counters();
    try (Device device = CudaDevices.open()) {
      Counters open = emulator.counters();
      emulator.setMemoryLimit(50_000);
      Exception e = assertThrows(DeviceMemoryException.class, () -> decoder(device));
      assertTrue(
          e.getMessage()
              .matches(
                  "the weights take \\d+ bytes of the device's memory, but only 50000 are free:"
                      + " \\d+ bytes are missing"),
          e.getMessage());
      assertEquals(open, emulator.counters());
      emulator.reset();
      try (Decoder decoder = decoder(device)) {
        generate(decoder, 1);
      }
    }
    assertHolds(before, "after it fitted");
  }
}
