package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.text.Model;
import io.mla4j.text.SamplingOptions;
import io.mla4j.text.Session;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Sharing and files with pages in a device's memory; few tokens, for it may be emulated. */
class SharedPrefixCudaTest {
  private static final int TOKENS = 5;

  @TempDir private Path directory;

  @Test
  void rowsAreSharedSavedAndLoaded() {
    Golden golden = Golden.read("v3-all-dense");
    int[] ids = Arrays.copyOf(golden.inputIds(), TOKENS);
    Path file = directory.resolve("text");
    try (Device device = CudaDevices.open();
        Model model =
            Model.builder(golden.directory())
                .withoutTokenizer()
                .device(device)
                .compute(ComputeType.F32)
                .pageSize(2)
                .sharedCache(64)
                .open();
        Session alone = model.session("alone");
        Session first = model.session("shares");
        Session second = model.session("shares")) {
      alone.append(ids);
      float[] expected = alone.logits();
      first.append(ids);
      assertArrayEquals(expected, first.logits());
      second.append(ids);
      assertArrayEquals(expected, second.logits());
      assertEquals(4, model.sharing().orElseThrow().tokensShared());
      alone.save(file);
      try (Session loaded = model.load(file)) {
        alone.next(SamplingOptions.GREEDY);
        loaded.next(SamplingOptions.GREEDY);
        assertArrayEquals(alone.logits(), loaded.logits());
      }
    }
  }
}
