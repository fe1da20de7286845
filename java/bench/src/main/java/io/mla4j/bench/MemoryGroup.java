package io.mla4j.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A control group of Linux whose processes, with what the system caches of files for them, get no
 * more than so much memory. Making one is for root, or for whoever the group above it was given to.
 */
final class MemoryGroup implements AutoCloseable {
  private static final Path GROUPS = Path.of("/sys/fs/cgroup");

  private final Path folder;

  private MemoryGroup(Path folder) {
    this.folder = folder;
  }

  /**
   * A group for {@code bytes}, of the second version of control groups or of the first.
   *
   * @throws BenchException where none can be made
   */
  static MemoryGroup of(long bytes) {
    String name = "mla4j-bench-" + ProcessHandle.current().pid();
    boolean isFirst = Files.isDirectory(GROUPS.resolve("memory"));
    Path folder = (isFirst ? GROUPS.resolve("memory") : GROUPS).resolve(name);
    try {
      Files.createDirectory(folder);
    } catch (IOException e) {
      throw new BenchException("no control group can be made here: " + e, e);
    }
    try {
      Files.writeString(
          folder.resolve(isFirst ? "memory.limit_in_bytes" : "memory.max"), Long.toString(bytes));
      return new MemoryGroup(folder);
    } catch (IOException e) {
      throw new BenchException(folder + " takes no limit of memory: " + e, e);
    }
  }

  /** The same command, as a process of the group. */
  List<String> inside(List<String> command) {
    List<String> all =
        new ArrayList<>(
            List.of("sh", "-c", "echo $$ > \"$0\" && exec \"$@\"", folder + "/cgroup.procs"));
    all.addAll(command);
    return all;
  }

  /** When all its processes have ended. */
  @Override
  public void close() {
    try {
      Files.delete(folder);
    } catch (IOException e) {
      throw new BenchException(folder + " cannot be removed: " + e, e);
    }
  }
}
