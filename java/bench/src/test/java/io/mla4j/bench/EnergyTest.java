package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Joules between two readings of counters: files of powercap, and a library with NVML's functions.
 */
class EnergyTest {
  @TempDir private Path root;

  @Test
  void packagesThatStartAgainAtTheirRange() throws Exception {
    zone("intel-rapl:0", 900);
    zone("intel-rapl:1", 500);
    Files.createDirectory(root.resolve("intel-rapl:0:0")); // a part of a package
    Energy energy = Energy.ofProcessor(root);
    assertTrue(energy.isReadable());
    long[] before = energy.counters();
    zone("intel-rapl:0", 100);
    zone("intel-rapl:1", 700);
    assertEquals(400e-6, energy.joules(before, energy.counters()), 1e-12);
  }

  private void zone(String name, long microjoules) throws Exception {
    Path zone = Files.createDirectories(root.resolve(name));
    Files.writeString(zone.resolve("energy_uj"), microjoules + "\n");
    Files.writeString(zone.resolve("max_energy_range_uj"), "1000\n");
  }

  @Test
  void nothingIsToldWithoutCounters() {
    Energy energy = Energy.ofProcessor(root.resolve("nothing"));
    assertFalse(energy.isReadable());
    assertTrue(Double.isNaN(energy.joules(energy.counters(), energy.counters())));
    assertFalse(Energy.ofGpu(_ -> Optional.empty(), "GPU").isReadable());
  }

  @Test
  void theOnlyGpuOfItsName() {
    try (Arena arena = Arena.ofConfined()) {
      Energy energy = Energy.ofGpu(new Gpus(arena, List.of("one", "two")), "two");
      long[] before = energy.counters();
      assertEquals(1, before.length);
      assertEquals(5e-3, energy.joules(before, energy.counters()), 1e-12, "it counts 5 mJ a call");
      assertFalse(Energy.ofGpu(new Gpus(arena, List.of("one", "one")), "one").isReadable());
      assertFalse(Energy.ofGpu(new Gpus(arena, List.of("one")), "other").isReadable());
    }
  }

  /** A library with the functions that are asked for. */
  private static final class Gpus implements SymbolLookup {
    private final Arena arena;
    private final List<String> names;
    private long millijoules = 70;

    Gpus(Arena arena, List<String> names) {
      this.arena = arena;
      this.names = names;
    }

    @Override
    public Optional<MemorySegment> find(String function) {
      try {
        return switch (function) {
          case "nvmlInit_v2" -> stub("init");
          case "nvmlDeviceGetCount_v2" -> stub("count", MemorySegment.class);
          case "nvmlDeviceGetHandleByIndex_v2" -> stub("handle", int.class, MemorySegment.class);
          case "nvmlDeviceGetName" ->
              stub("name", MemorySegment.class, MemorySegment.class, int.class);
          case "nvmlDeviceGetTotalEnergyConsumption" ->
              stub("energy", MemorySegment.class, MemorySegment.class);
          default -> Optional.empty();
        };
      } catch (ReflectiveOperationException e) {
        throw new AssertionError(e);
      }
    }

    private Optional<MemorySegment> stub(String method, Class<?>... types)
        throws ReflectiveOperationException {
      MethodHandle handle =
          MethodHandles.lookup().bind(this, method, MethodType.methodType(int.class, types));
      List<MemoryLayout> layouts = new ArrayList<>();
      for (Class<?> type : types) {
        layouts.add(type == int.class ? ValueLayout.JAVA_INT : ValueLayout.ADDRESS);
      }
      return Optional.of(
          Linker.nativeLinker()
              .upcallStub(
                  handle,
                  FunctionDescriptor.of(ValueLayout.JAVA_INT, layouts.toArray(MemoryLayout[]::new)),
                  arena));
    }

    int init() {
      return 0;
    }

    int count(MemorySegment to) {
      to.reinterpret(4).set(ValueLayout.JAVA_INT, 0, names.size());
      return 0;
    }

    int handle(int index, MemorySegment to) {
      to.reinterpret(8).set(ValueLayout.ADDRESS, 0, MemorySegment.ofAddress(index + 1L));
      return 0;
    }

    int name(MemorySegment device, MemorySegment to, int bytes) {
      to.reinterpret(bytes).setString(0, names.get((int) device.address() - 1));
      return 0;
    }

    int energy(MemorySegment device, MemorySegment to) {
      millijoules += 5;
      to.reinterpret(8).set(ValueLayout.JAVA_LONG, 0, millijoules);
      return device.address() > 0 ? 0 : 1;
    }
  }
}
