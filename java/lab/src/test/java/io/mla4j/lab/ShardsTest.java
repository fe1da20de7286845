package io.mla4j.lab;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.mla4j.checkpoint.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever number of files a model's tensors take, loaders find them all. */
class ShardsTest {
  @TempDir private Path folder;

  private List<String> write(long most) throws IOException {
    try (Shards shards = new Shards(folder, most)) {
      shards.add("a", new double[] {1, 2, 3, 4, 5, 6}, 2, 3);
      shards.add("b", new double[] {7, 8}, 2);
      shards.add("c", new double[] {9}, 1);
      shards.finish();
    }
    try (Checkpoint checkpoint = Checkpoint.open(folder);
        Stream<Path> files = Files.list(folder)) {
      assertEquals(3, checkpoint.tensors().size());
      assertEquals(List.of(2L, 3L), checkpoint.tensors().get("a").shape());
      assertArrayEquals(new float[] {1, 2, 3, 4, 5, 6}, checkpoint.tensors().get("a").toFloats());
      assertArrayEquals(new float[] {9}, checkpoint.tensors().get("c").toFloats());
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void fewNumbersAreOneFile() throws IOException {
    assertEquals(List.of("model.safetensors"), write(1000));
  }

  @Test
  void manyAreSeveralAndTheirIndex() throws IOException {
    assertEquals(
        List.of(
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json"),
        write(24));
  }
}
