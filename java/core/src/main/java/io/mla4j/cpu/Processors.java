package io.mla4j.cpu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;

/** How many physical cores the process may use. */
final class Processors {
  private Processors() {}

  /**
   * Cores with at least one hardware thread that the process may run on, where Linux tells; else
   * the processors that the JVM sees. Two hardware threads of a core share its vector units, so one
   * of them is enough.
   */
  static int physicalCores() {
    int processors = Runtime.getRuntime().availableProcessors();
    try {
      Set<String> cores = new HashSet<>();
      for (int cpu : allowed()) {
        Path siblings =
            Path.of("/sys/devices/system/cpu/cpu" + cpu + "/topology/thread_siblings_list");
        cores.add(Files.readString(siblings).strip());
      }
      return cores.isEmpty() ? processors : Math.min(cores.size(), processors);
    } catch (IOException | RuntimeException e) {
      return processors;
    }
  }

  private static Set<Integer> allowed() throws IOException {
    Set<Integer> cpus = new HashSet<>();
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("Cpus_allowed_list:")) {
        for (String range : line.substring(line.indexOf(':') + 1).strip().split(",")) {
          String[] ends = range.split("-");
          int last = Integer.parseInt(ends[ends.length - 1]);
          for (int cpu = Integer.parseInt(ends[0]); cpu <= last; cpu++) {
            cpus.add(cpu);
          }
        }
      }
    }
    return cpus;
  }
}
