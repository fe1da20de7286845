package io.mla4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.AttentionForm;
import io.mla4j.BackendException;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.text.Generation;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The golden cases and the carried model on a CUDA device, as {@link GoldenLogitsTest} and {@link
 * TinyMlaTest} have them on the others.
 *
 * <p>An emulated device needs seconds for what a processor does in milliseconds. So unless {@code
 * -Dmla4j.test.cuda.whole=true} asks for everything, as {@code scripts/test --cuda} does, the first
 * {@link #PREFIX} tokens of a golden case are computed, as a prefill of two steps and a step of one
 * token, and of the carried model's text the first {@link #F32_TOKENS} or {@link #BF16_TOKENS}.
 * {@code v3-dynamic-ntk}, whose rotation depends on the length, can only be compared whole.
 */
class CudaModelTest {
  private static final boolean WHOLE = Boolean.getBoolean("mla4j.test.cuda.whole");
  private static final int PREFIX = 7;
  private static final int CHUNK = 3;
  private static final int WHOLE_CHUNK = 16;
  private static final int F32_TOKENS = 3;
  private static final int BF16_TOKENS = 12;

  /** In several steps where the case allows it. */
  private static int chunk(Golden golden) {
    return golden.shortest() > CHUNK ? golden.inputIds().length : WHOLE ? WHOLE_CHUNK : CHUNK;
  }

  private static void assertAgrees(
      Device device, Golden golden, DecoderOptions options, double bound) {
    double difference = GoldenLogitsTest.difference(golden, device, options);
    assertTrue(difference <= bound, golden.name() + " " + options + ": " + difference);
  }

  /** A causal model's logits of the first tokens do not depend on the others. */
  private static Golden prefix(Golden golden) {
    if (WHOLE) {
      return golden;
    }
    int vocabulary = golden.logits().length / golden.inputIds().length;
    return new Golden(
        golden.name(),
        golden.directory(),
        Arrays.copyOf(golden.inputIds(), PREFIX),
        Arrays.copyOf(golden.logits(), PREFIX * vocabulary),
        golden.greedyIds());
  }

  static Stream<String> names() {
    return Golden.NAMES.stream()
        .filter(name -> !Golden.ON_CPU_ALONE.containsKey(name))
        .filter(name -> WHOLE || Golden.read(name).shortest() <= CHUNK);
  }

  @Test
  void whatADeviceLacksIsRefusedByName() {
    var options = DecoderOptions.of(ComputeType.F32);
    try (Device device = CudaDevices.open()) {
      Golden.ON_CPU_ALONE.forEach(
          (name, what) -> {
            Golden golden = prefix(Golden.read(name));
            String message =
                assertThrows(
                        BackendException.class,
                        () -> GoldenLogitsTest.difference(golden, device, options))
                    .getMessage();
            assertEquals("backend cuda has " + what, message);
          });
    }
  }

  @ParameterizedTest
  @MethodSource("names")
  void f32Agrees(String name) {
    Golden golden = prefix(Golden.read(name));
    try (Device device = CudaDevices.open()) {
      assertAgrees(
          device,
          golden,
          new DecoderOptions(ComputeType.F32, CacheType.F32, AttentionForm.AUTO, 4, chunk(golden)),
          GoldenLogitsTest.F32_BOUND);
    }
  }

  @ParameterizedTest
  @EnumSource(AttentionForm.class)
  void bf16AgreesWhereNoExpertCanFlip(AttentionForm form) {
    try (Device device = CudaDevices.open()) {
      for (String name : List.of("v3-all-dense", "youtu")) {
        Golden golden = prefix(Golden.read(name));
        assertAgrees(
            device,
            golden,
            new DecoderOptions(ComputeType.BF16, CacheType.BF16, form, 4, chunk(golden)),
            GoldenLogitsTest.BF16_BOUND);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16"})
  void greedyTextIsExact(ComputeType compute) {
    JsonNode greedy = TinyMlaTest.EXPECTED.get("greedy");
    try (TinyMlaTest.TinyMla model = TinyMlaTest.TinyMla.open(CudaDevices.open(), compute)) {
      int[] ids = TinyMlaTest.ints(greedy.get("ids"));
      int part = compute == ComputeType.F32 ? F32_TOKENS : BF16_TOKENS;
      int count = WHOLE ? ids.length : part;
      Generation generation = model.generate(TinyMlaTest.ints(greedy.get("prompt_ids")), count);
      assertArrayEquals(Arrays.copyOf(ids, count), generation.ids());
      assertTrue(greedy.get("text").asText().startsWith(generation.text()));
    }
  }
}
