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
   * Pins worker i to the i-th processor that the process may use.
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
    Together.run(workers, worker -> pinThisThread(allowed.get(worker)));
  }

  private static void pinThisThread(int processor) {
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
      mask.set(ValueLayout.JAVA_BYTE, processor / 8, (byte) (1 << processor % 8));
      int status = (int) call.invokeExact(0, (long) MASK_BYTES, mask);
      if (status != 0) {
        throw new BenchException("the system does not pin a thread to processor " + processor);
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
