package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.ComputeType;
import io.mla4j.text.Model;
import java.lang.foreign.ValueLayout;
import java.net.URISyntaxException;
import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * GGUF files of models that cache keys and values, twins of golden cases
 * (scripts/golden/make_grouped_gguf.py): biases that their tensors tell of, interleaved rotation,
 * and the factors of Llama 3's rotation as a tensor.
 */
class GroupedGgufTest {
  @ParameterizedTest
  @ValueSource(strings = {"llama-mha", "qwen2-gqa"})
  void givesTheLogitsOfItsTwin(String name) throws URISyntaxException {
    Golden golden = Golden.read(name);
    Path file = Path.of(Golden.class.getResource("/grouped/" + name + ".gguf").toURI());
    try (Model model = Model.builder(file).compute(ComputeType.F32).withoutTokenizer().open()) {
      assertFalse(model.description().dependsOnLength());
      int vocabulary = model.description().vocabulary();
      double[] largest = {0, 0};
      model.logits(
          new int[][] {golden.inputIds()},
          (_, position, row) -> {
            float[] logits = row.segment().toArray(ValueLayout.JAVA_FLOAT);
            for (int i = 0; i < vocabulary; i++) {
              float expected = golden.logits()[position * vocabulary + i];
              largest[0] = Math.max(largest[0], Math.abs(expected));
              largest[1] = Math.max(largest[1], Math.abs(expected - logits[i]));
            }
          });
      assertTrue(largest[1] <= GoldenLogitsTest.F32_BOUND * largest[0], name + ": " + largest[1]);
    }
  }
}
