package io.mla4j.spark;

import io.mla4j.engine.Engine;
import io.mla4j.engine.EngineOptions;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.spark.SparkFiles;

/**
 * Which engine a row is for: executors have one for each.
 *
 * @param model a path on the executor, or the name of a file or folder that was given to {@code
 *     SparkContext.addFile}
 * @param backend a backend by name; empty for the fastest
 */
record EngineKey(
    String model, String backend, int threads, int parallel, int contextTokens, long cacheMemory)
    implements Serializable {
  /** Tasks hold back rows themselves. */
  private static final int QUEUE = 1 << 20;

  Engine open() {
    return Engine.open(
        path(),
        EngineOptions.builder()
            .backend(backend.isEmpty() ? null : backend)
            .threads(threads)
            .parallel(parallel)
            .contextTokens(contextTokens)
            .cacheMemory(cacheMemory)
            .queue(QUEUE)
            .build());
  }

  private Path path() {
    Path path = Path.of(model);
    return path.isAbsolute() || Files.exists(path) ? path : Path.of(SparkFiles.get(model));
  }
}
