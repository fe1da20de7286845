package io.mla4j.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.BackendException;
import io.mla4j.BoundOperation;
import io.mla4j.ClosedException;
import io.mla4j.ComputeType;
import io.mla4j.DeviceException;
import io.mla4j.DeviceLostException;
import io.mla4j.DeviceMemoryException;
import io.mla4j.InvalidArgumentException;
import io.mla4j.cuda.Emulator.Counters;
import io.mla4j.device.Accelerator;
import io.mla4j.ffi.library.LibraryFinder;
import io.mla4j.ops.Add;
import io.mla4j.ops.Argmax;
import io.mla4j.ops.Embed;
import io.mla4j.ops.FeedForward;
import io.mla4j.ops.Linear;
import io.mla4j.ops.Operation;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.Weight;
import io.mla4j.spi.Backend;
import io.mla4j.testkit.Rounding;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** A CUDA device's memory, from its allocation to its end, its choice, its failures. */
class CudaDeviceTest {
  private static final int ROWS = 3;
  private static final int WIDTH = 40;

  private final Arena arena = Arena.ofShared();
  private Accelerator device;

  @BeforeEach
  void openDevice() {
    device = open();
  }

  @AfterEach
  void closeAll() {
    device.close();
    arena.close();
  }

  private static Accelerator open() {
    return (Accelerator) CudaBackend.of(CudaTestLibrary.file()).open(new Backend.Options(0, null));
  }

  private static float[] numbers(int count, float first) {
    float[] numbers = new float[count];
    for (int i = 0; i < count; i++) {
      numbers[i] = first + i / 8f;
    }
    return numbers;
  }

  private static MemorySegment host(float... numbers) {
    return MemorySegment.ofArray(numbers);
  }

  private Tensor onDevice(Arena owner, float[] numbers, long... shape) {
    MemorySegment memory = device.allocate(4L * numbers.length, owner);
    device.copy(host(numbers), 0, memory, 0, 4L * numbers.length);
    return Tensor.of(memory, StorageFormat.F32, shape);
  }

  private Tensor rows(float first) {
    return onDevice(arena, numbers(ROWS * WIDTH, first), ROWS, WIDTH);
  }

  private float[] read(Tensor tensor) {
    float[] numbers = new float[(int) (tensor.dim(0) * tensor.stride(0))];
    device.copy(tensor.segment(), 0, host(numbers), 0, 0);
    MemorySegment back = arena.allocate(4L * numbers.length);
    device.copy(tensor.segment(), 0, back, 0, back.byteSize());
    MemorySegment.copy(back, ValueLayout.JAVA_FLOAT, 0, numbers, 0, numbers.length);
    return numbers;
  }

  private static float[] doubled(float first) {
    float[] expected = numbers(ROWS * WIDTH, first);
    for (int i = 0; i < expected.length; i++) {
      expected[i] *= 2;
    }
    return expected;
  }

  // Memory

  @Test
  void memoryIsZeroedAndCopiesReachIt() {
    MemorySegment memory = device.allocate(1000, arena);
    byte[] back = new byte[1000];
    Arrays.fill(back, (byte) 7);
    device.copy(memory, 0, MemorySegment.ofArray(back), 0, 1000);
    assertArrayEquals(new byte[1000], back);
    // Longer than what is staged at once.
    byte[] much = new byte[9_000_001];
    for (int i = 0; i < much.length; i++) {
      much[i] = (byte) (i * 31 + i / 1000);
    }
    MemorySegment a = device.allocate(much.length, arena);
    MemorySegment b = device.allocate(much.length, arena);
    device.copy(MemorySegment.ofArray(much), 0, a, 0, much.length);
    device.copy(a, 1, b, 2, much.length - 2);
    byte[] tail = new byte[much.length - 2];
    device.copy(b, 2, MemorySegment.ofArray(tail), 0, tail.length);
    assertArrayEquals(Arrays.copyOfRange(much, 1, much.length - 1), tail);
    byte[] host = new byte[4];
    device.copy(MemorySegment.ofArray(much), 5, MemorySegment.ofArray(host), 1, 3);
    assertArrayEquals(new byte[] {0, much[5], much[6], much[7]}, host);
  }

  @Test
  void javaMayNotTouchIt() throws InterruptedException {
    MemorySegment memory = device.allocate(256, arena);
    assertEquals(256, memory.byteSize());
    assertEquals(memory.address() + 64, memory.asSlice(64, 8).address());
    assertThrows(WrongThreadException.class, () -> memory.get(ValueLayout.JAVA_BYTE, 0));
    assertThrows(WrongThreadException.class, () -> memory.set(ValueLayout.JAVA_BYTE, 0, (byte) 1));
    assertThrows(WrongThreadException.class, () -> memory.fill((byte) 0));
    Thread other =
        Thread.ofPlatform().start(() -> assertFalse(memory.isAccessibleBy(Thread.currentThread())));
    other.join();
  }

  @Test
  void memoryOfTheHostIsNoArgument() {
    Tensor there = rows(1);
    Tensor here = Tensor.of(arena.allocate(4 * ROWS * WIDTH), StorageFormat.F32, ROWS, WIDTH);
    Tensor line = onDevice(arena, numbers(WIDTH, 1), WIDTH);
    Tensor hostLine = Tensor.of(arena.allocate(4 * WIDTH), StorageFormat.F32, WIDTH);
    Tensor square = onDevice(arena, numbers(WIDTH * WIDTH, 1), WIDTH, WIDTH);
    Weight hostSquare =
        Weight.of(Tensor.of(arena.allocate(4 * WIDTH * WIDTH), StorageFormat.F32, WIDTH, WIDTH));
    Map<String, Operation> operations = new LinkedHashMap<>();
    operations.put("x", new Add(here, there, 1, there));
    operations.put("residual", new Add(there, here, 1, there));
    operations.put("out", new Add(there, there, 1, here));
    operations.put("weight", new RmsNorm(there, hostLine, 1e-6f, there));
    operations.put(
        "bias",
        new Linear(
            there,
            List.of(new Linear.Projection(Weight.of(square), hostLine, there)),
            ComputeType.F32));
    operations.put(
        "weight ",
        new FeedForward(
            there,
            new FeedForward.Weights(hostSquare, Weight.of(square), Weight.of(square)),
            ComputeType.F32,
            there));
    operations.put(
        "ids",
        new Embed(
            Weight.of(square),
            Tensor.of(arena.allocate(4 * ROWS), StorageFormat.I32, ROWS),
            1,
            there));
    operations.put(
        "logits", new Argmax(here, Tensor.of(device.allocate(12, arena), StorageFormat.I32, ROWS)));
    operations.forEach(
        (name, operation) -> {
          Exception e =
              assertThrows(
                  InvalidArgumentException.class, () -> device.bind(operation), operation::name);
          assertTrue(e.getMessage().startsWith(name.strip() + " is not in memory"), e.getMessage());
        });
    device.run(new RmsNorm(there, line, 1e-6f, there));
  }

  @Test
  void freedMemoryIsNoArgument() {
    Tensor there = rows(1);
    Tensor gone;
    try (Arena shorter = Arena.ofShared()) {
      gone = onDevice(shorter, numbers(ROWS * WIDTH, 5), ROWS, WIDTH);
    }
    byte[] host = new byte[16];
    for (Executable call :
        List.<Executable>of(
            () -> device.run(new Add(gone, there, 1, there)),
            () -> device.copy(gone.segment(), 0, there.segment(), 0, 16),
            () -> device.copy(there.segment(), 0, gone.segment(), 0, 16),
            () -> device.copy(gone.segment(), 0, MemorySegment.ofArray(host), 0, 16),
            () -> device.copy(MemorySegment.ofArray(host), 0, gone.segment(), 0, 16))) {
      Exception e = assertThrows(InvalidArgumentException.class, call);
      assertTrue(e.getMessage().contains("freed"), e.getMessage());
    }
  }

  @Test
  void memoryOutlivesWhatWasLaunchedOnIt() throws InterruptedException {
    for (int round = 0; round < 3; round++) {
      Arena shorter = Arena.ofShared();
      Tensor x = onDevice(shorter, numbers(ROWS * WIDTH, round), ROWS, WIDTH);
      Tensor y = rows(0);
      device.run(new Add(x, x, 1, y));
      // Nothing has waited: an emulated device has not run the kernel yet.
      if (round == 1) {
        Thread other = Thread.ofPlatform().start(shorter::close);
        other.join();
      } else {
        shorter.close();
      }
      assertArrayEquals(doubled(round), read(y));
    }
  }

  @Test
  void nothingIsLeaked() {
    Emulator emulator = Emulator.get();
    Counters before = emulator.counters();
    Accelerator second = open();
    try (Arena shorter = Arena.ofShared()) {
      MemorySegment memory = second.allocate(64, shorter);
      Tensor x = Tensor.of(memory, StorageFormat.F32, 4, 4);
      second.run(
          new FeedForward(
              x,
              new FeedForward.Weights(Weight.of(x), Weight.of(x), Weight.of(x)),
              ComputeType.F32,
              Tensor.of(second.allocate(64, shorter), StorageFormat.F32, 4, 4)));
      assertFalse(emulator.counters().holdsWhat(before));
      second.close();
    }
    Counters after = emulator.counters();
    assertTrue(after.holdsWhat(before), before + " became " + after);
    assertEquals("", emulator.takeReports());
  }

  @Test
  void whatDoesNotFitIsToldInBytes() {
    Emulator emulator = Emulator.get();
    emulator.setMemoryLimit(1 << 20);
    try {
      long free = device.freeMemory();
      assertTrue(free <= 1 << 20 && free > 0, "free: " + free);
      Counters before = emulator.counters();
      Exception e =
          assertThrows(DeviceMemoryException.class, () -> device.allocate(3 << 20, arena));
      assertTrue(e.getMessage().contains("3145728 bytes"), e.getMessage());
      assertTrue(emulator.counters().holdsWhat(before));
    } finally {
      emulator.reset();
    }
    device.allocate(3 << 20, arena);
    assertThrows(InvalidArgumentException.class, () -> device.allocate(-1, arena));
  }

  @Test
  void aClosedDeviceSaysSo() {
    Tensor x = rows(1);
    Weight square = Weight.of(onDevice(arena, numbers(WIDTH * WIDTH, 1), WIDTH, WIDTH));
    BoundOperation bound = device.bind(new Add(x, x, 1, x));
    device.close();
    device.close();
    byte[] host = new byte[16];
    Emulator emulator = CudaTestLibrary.isEmulated() ? Emulator.get() : null;
    Counters before = emulator == null ? null : emulator.counters();
    for (Executable call :
        List.<Executable>of(
            () -> device.run(new Add(x, x, 1, x)),
            () ->
                device.run(
                    new FeedForward(
                        x, new FeedForward.Weights(square, square, square), ComputeType.F32, x)),
            () -> device.copy(x.segment(), 0, x.segment(), 16, 16),
            () -> device.copy(x.segment(), 0, MemorySegment.ofArray(host), 0, 16),
            () -> device.copy(MemorySegment.ofArray(host), 0, x.segment(), 0, 16),
            () -> device.allocate(16, arena),
            () -> device.place(List.of(square), ComputeType.F32, arena),
            device::synchronize,
            bound::run)) {
      assertThrows(ClosedException.class, call);
    }
    if (emulator != null) {
      assertTrue(emulator.counters().holdsWhat(before));
    }
  }

  // Weights

  @Test
  void weightsAreRoundedWhereBf16IsComputed() {
    float[] values = numbers(6 * 50, -17.03f);
    values[7] = 1 + Math.scalb(1f, -8); // a tie
    values[8] = 1 + 3 * Math.scalb(1f, -8); // a tie the other way
    MemorySegment f32 = host(values);
    MemorySegment f16 = arena.allocate(2 * values.length);
    for (int i = 0; i < values.length; i++) {
      f16.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(values[i]));
    }
    List<Weight> stored =
        List.of(
            Weight.of(Tensor.of(f32, StorageFormat.F32, 6, 50)),
            Weight.of(Tensor.of(f16, StorageFormat.F16, 6, 50)));
    for (ComputeType compute : List.of(ComputeType.F32, ComputeType.BF16)) {
      StorageFormat type = compute == ComputeType.BF16 ? StorageFormat.BF16 : StorageFormat.F32;
      List<Weight> placed = device.place(stored, compute, arena);
      for (int w = 0; w < 2; w++) {
        Tensor there = placed.get(w).tensor();
        assertEquals(type, there.format());
        MemorySegment back = arena.allocate(type.bytes(values.length), 4);
        device.copy(there.segment(), 0, back, 0, back.byteSize());
        for (int i = 0; i < values.length; i++) {
          float exact = w == 0 ? values[i] : Float.float16ToFloat(Float.floatToFloat16(values[i]));
          float expected = compute == ComputeType.BF16 ? Rounding.bf16(exact) : exact;
          assertEquals(expected, Rounding.read(type, back, i));
        }
      }
    }
    Weight integers = Weight.of(Tensor.of(f32, StorageFormat.I32, 6, 50));
    assertThrows(
        InvalidArgumentException.class,
        () -> device.place(List.of(integers), ComputeType.F32, arena));
    var e =
        assertThrows(BackendException.class, () -> device.place(stored, ComputeType.INT8, arena));
    assertEquals("backend cuda has no compute type int8; it has f32 and bf16", e.getMessage());
  }

  // Choice

  @Test
  void devicesAndIsasAreChosenStrictly() {
    int count = CudaDriver.count(CudaLibrary.open(CudaTestLibrary.file()).table());
    for (String number : List.of("-1", String.valueOf(count), "x", "0x0", "99999999999")) {
      CudaBackend backend = backend(number);
      assertFalse(backend.probe().available());
      Exception e =
          assertThrows(BackendException.class, () -> backend.open(new Backend.Options(0, null)));
      assertEquals("device is " + number + ", but must be in 0.." + (count - 1), e.getMessage());
      assertEquals(e.getMessage(), backend.probe().reason());
    }
    for (String number : List.of("", " 0 ")) {
      CudaBackend backend = backend(number);
      assertTrue(backend.probe().available(), backend.probe().reason());
      assertEquals(List.of(device.isa()), backend.probe().isas());
      backend.open(new Backend.Options(0, device.isa())).close();
    }
    Exception e =
        assertThrows(
            BackendException.class, () -> backend("0").open(new Backend.Options(0, "avx2")));
    assertEquals("isa is avx2, but the device has only " + device.isa(), e.getMessage());
  }

  private static CudaBackend backend(String number) {
    Map<String, String> properties =
        Map.of(
            "mla4j.cuda.library", CudaTestLibrary.file().toString(), "mla4j.cuda.device", number);
    return new CudaBackend(new LibraryFinder("cuda", properties::get, _ -> null, _ -> null));
  }

  // Failures

  @Test
  void failuresHaveTypesAndTheDeviceGoesOn() {
    Emulator emulator = Emulator.get();
    Tensor x = rows(1);
    try {
      emulator.failLaunch(0);
      Exception e = assertThrows(DeviceException.class, () -> device.run(new Add(x, x, 1, x)));
      assertTrue(e.getMessage().contains("add_kernel"), e.getMessage());
      device.run(new Add(x, x, 1, x));
      assertArrayEquals(doubled(1), read(x));
      emulator.failAllocation(0);
      assertThrows(DeviceMemoryException.class, () -> device.allocate(100, arena));
      device.allocate(100, arena);
      emulator.loseDeviceAt(0);
      assertThrows(DeviceLostException.class, () -> device.run(new Add(x, x, 1, x)));
      assertThrows(DeviceLostException.class, () -> read(x));
      assertThrows(DeviceLostException.class, () -> device.allocate(100, arena));
      CudaBackend backend = CudaBackend.of(CudaTestLibrary.file());
      assertFalse(backend.probe().available());
      assertTrue(backend.probe().reason().contains("lost"), backend.probe().reason());
      assertThrows(DeviceLostException.class, device::close);
    } finally {
      emulator.reset();
    }
  }

  // Operations that are kept

  @Test
  void aBoundOperationComputesAfterKeptMemoryMoved() {
    Tensor x = rows(1);
    Tensor few = rows(0);
    Tensor many = rows(0);
    Weight square = Weight.of(onDevice(arena, numbers(WIDTH * WIDTH, -1), WIDTH, WIDTH));
    FeedForward.Weights network = new FeedForward.Weights(square, square, square);
    BoundOperation first =
        device.bind(new FeedForward(x.first(1), network, ComputeType.F32, few.first(1)));
    first.run();
    device.run(new FeedForward(x, network, ComputeType.F32, many));
    device.copy(host(numbers(ROWS * WIDTH, 0)), 0, few.segment(), 0, 4 * ROWS * WIDTH);
    first.run();
    assertArrayEquals(
        Arrays.copyOf(read(many), WIDTH), Arrays.copyOf(read(few), WIDTH), "a row has its bits");
    assertArrayEquals(
        Arrays.copyOfRange(numbers(ROWS * WIDTH, 0), WIDTH, ROWS * WIDTH),
        Arrays.copyOfRange(read(few), WIDTH, ROWS * WIDTH));
    if (CudaTestLibrary.isEmulated()) {
      assertEquals("", Emulator.get().takeReports());
    }
  }

  @Test
  void aBoundOperationOnFreedMemoryIsRefused() {
    BoundOperation bound;
    try (Arena shorter = Arena.ofShared()) {
      Tensor x = onDevice(shorter, numbers(ROWS * WIDTH, 5), ROWS, WIDTH);
      bound = device.bind(new Add(x, x, 1, x));
      bound.run();
    }
    assertThrows(IllegalStateException.class, bound::run);
  }
}
