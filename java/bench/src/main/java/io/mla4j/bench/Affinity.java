package io.mla4j.bench;

import io.mla4j.cpu.Workers;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Pins threads to processors, on Linux. */
final class Affinity {
  private static final int MASK_BYTES = 128;

  private Affinity() {}

  /**
   * Pins worker i to the i-th processor that the process may use. Call it when all threads that are
   * to run have been started: a thread inherits the processors of the one that starts it.
   *
   * @throws BenchException where the system has no such call or refuses it
   */
  static void pin(Workers workers) {
    List<Integer> allowed = allowed();
    if (allowed.size() < workers.threads()) {
      throw new BenchException(
          "--pin needs a processor for each thread, but "
              + workers.threads()
              + " threads have "
              + allowed.size());
    }
    // Worker 0 is the caller; which helper takes which of the other tiles does not matter.
    boolean met = Together.run(workers, tile -> pinThisThread(List.of(allowed.get(tile))));
    if (!met) {
      throw new BenchException(
          "--pin needs " + workers.threads() + " threads at the same time, but they do not meet");
    }
  }

  /** Lets the calling thread run wherever the process may. */
  static void release() {
    pinThisThread(allowed());
  }

  private static void pinThisThread(List<Integer> processors) {
    Linker linker = Linker.nativeLinker();
    MemorySegment address =
        linker
            .defaultLookup()
            .find("sched_setaffinity")
            .orElseThrow(() -> new BenchException("--pin is not possible on this system"));
    MethodHandle call =
        linker.downcallHandle(
            address,
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_LONG,
                ValueLayout.ADDRESS));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment mask = arena.allocate(MASK_BYTES, 8);
      for (int p : processors) {
        byte bits = mask.get(ValueLayout.JAVA_BYTE, p / 8);
        mask.set(ValueLayout.JAVA_BYTE, p / 8, (byte) (bits | 1 << p % 8));
      }
      int status = (int) call.invokeExact(0, (long) MASK_BYTES, mask);
      if (status != 0) {
        throw new BenchException("the system does not pin a thread to processors " + processors);
      }
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new BenchException("a thread cannot be pinned: " + e.getMessage(), e);
    }
  }

  private static List<Integer> allowed() {
    List<Integer> processors = new ArrayList<>();
    try {
      for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
        if (line.startsWith("Cpus_allowed_list:")) {
          for (String range : line.substring(line.indexOf(':') + 1).strip().split(",")) {
            String[] ends = range.split("-");
            int last = Integer.parseInt(ends[ends.length - 1]);
            for (int i = Integer.parseInt(ends[0]); i <= last && i < 8 * MASK_BYTES; i++) {
              processors.add(i);
            }
          }
        }
      }
      return processors;
    } catch (IOException | NumberFormatException e) {
      throw new BenchException("--pin is not possible on this system: " + e.getMessage(), e);
    }
  }
}
