package io.mla4j.bench;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.mla4j.Backends;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * Where a run took place.
 *
 * @param processor the name that the system gives it
 * @param processors hardware threads that the JVM may use
 * @param caches of processor 0, one after the other
 * @param energy where joules come from, or that bytes and FLOP have to do
 */
public record Machine(
    String processor,
    int processors,
    String caches,
    long memoryBytes,
    String system,
    String jdk,
    @JsonUnwrapped Chosen chosen,
    String energy) {
  /**
   * What native kernels use here.
   *
   * @param isa the instruction set that is chosen by itself, or null
   * @param isaReason why
   */
  public record Chosen(String isa, String isaReason) {}

  /** All of it in one line. */
  public String summary() {
    return String.join(
        "; ",
        processor + ", " + processors + " processors, " + caches,
        Figures.bytes(memoryBytes) + " of memory",
        system,
        jdk,
        "isa " + chosen.isaReason,
        energy);
  }

  /** This one. */
  public static Machine detect() {
    Backends.Status natives =
        Backends.list().stream()
            .filter(s -> s.name().equals("native"))
            .findFirst()
            .orElseThrow(() -> new BenchException("there is no native backend to ask"));
    return new Machine(
        processorName(),
        Runtime.getRuntime().availableProcessors(),
        cacheSizes(),
        physicalMemory(),
        System.getProperty("os.name")
            + " "
            + System.getProperty("os.version")
            + " "
            + System.getProperty("os.arch"),
        System.getProperty("java.vm.name") + " " + Runtime.version(),
        new Chosen(natives.isas().isEmpty() ? null : natives.isas().getFirst(), natives.reason()),
        Energy.ofProcessor().source());
  }

  /** Bytes of physical memory. */
  static long physicalMemory() {
    return ManagementFactory.getOperatingSystemMXBean()
            instanceof com.sun.management.OperatingSystemMXBean system
        ? system.getTotalMemorySize()
        : 0;
  }

  private static String processorName() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines
          .filter(line -> line.startsWith("model name"))
          .map(line -> line.substring(line.indexOf(':') + 1).strip())
          .findFirst()
          .orElse(System.getProperty("os.arch"));
    } catch (IOException e) {
      return System.getProperty("os.arch");
    }
  }

  private static String cacheSizes() {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < 8; i++) {
      Path folder = Path.of("/sys/devices/system/cpu/cpu0/cache/index" + i);
      try {
        String type = Files.readString(folder.resolve("type")).strip();
        if (!type.equals("Instruction")) {
          text.append(text.isEmpty() ? "L" : ", L")
              .append(Files.readString(folder.resolve("level")).strip())
              .append(' ')
              .append(Files.readString(folder.resolve("size")).strip());
        }
      } catch (IOException e) {
        break;
      }
    }
    return text.isEmpty() ? "unknown" : text.toString();
  }
}
