package io.mla4j.model;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.util.Map.entry;

import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.StoredTensor;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * One golden case: a small random model and what Hugging Face transformers computes with it in
 * FP32, the whole sequence at once; of {@code plm}, what scripts/golden/make_plm.py does, and of
 * {@code ling-limits}, with the limits that scripts/golden/make_ling_limits.py puts into it.
 */
record Golden(String name, Path directory, int[] inputIds, float[] logits, int[] greedyIds) {
  /** Ids that every case was continued by. */
  private static final int GREEDY = 16;

  /** Every case of the supported model types. */
  static final List<String> NAMES =
      List.of(
          "v2-lite",
          "v2-grouped",
          "v3-yarn",
          "v3-sharded",
          "v3-bias-plain-rope",
          "v3-half-split-rope",
          "v3-all-dense",
          "v3-linear-rope",
          "v3-dynamic-ntk",
          "moonlight",
          "kimi-k2",
          "v3-f16",
          "v3-f32",
          "v3-mtp",
          "v3-fp8-blocks",
          "v3-fp8-ue8m0",
          "v3-int8-channel",
          "kimi-k25-int4",
          "kimi-k25-mxfp4",
          "glm4-moe-lite",
          "minicpm3",
          "axk1",
          "mistral4",
          "mistral4-fp8",
          "longcat-flash",
          "youtu",
          "plm",
          "kimi-linear",
          "ling-hybrid",
          "ling-limits",
          "v32-sparse",
          "v32-dsa-long",
          "glm-moe-dsa",
          "llama-mha",
          "llama-mqa",
          "qwen2-gqa",
          "qwen3-gqa",
          "mistral-gqa");

  /** Cases that need operations which a device with memory of its own does not have. */
  static final Map<String, String> ON_CPU_ALONE =
      Map.ofEntries(
          entry("mistral4", "no operation Gate"),
          entry("mistral4-fp8", "no operation Gate"),
          entry("plm", "no operation Gate"),
          entry("kimi-linear", "no operation AttendDelta"),
          entry("ling-hybrid", "no operation AttendDelta"),
          entry("ling-limits", "no operation AttendDelta"),
          entry("v32-sparse", "no operation LayerNorm"),
          entry("v32-dsa-long", "no operation LayerNorm"),
          entry("glm-moe-dsa", "no operation LayerNorm"),
          entry("longcat-flash", "no mixture with experts that have no weights"),
          entry("llama-mha", "no operation AppendGrouped"),
          entry("llama-mqa", "no operation AppendGrouped"),
          entry("qwen2-gqa", "no operation AppendGrouped"),
          entry("qwen3-gqa", "no operation AppendGrouped"),
          entry("mistral-gqa", "no operation AppendGrouped"));

  static Golden read(String name) {
    Path directory = directory(name);
    try (Checkpoint file = Checkpoint.openFile(directory.resolve("golden.safetensors"))) {
      return new Golden(
          name,
          directory,
          ids(file.get("input_ids")),
          file.get("logits").toFloats(),
          ids(file.get("greedy_ids")));
    }
  }

  static Path directory(String name) {
    try {
      return Path.of(Golden.class.getResource("/golden/" + name).toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * The shortest text that is rotated as the whole one is: a dynamic scaling knows only the whole,
   * two sets of factors meet beyond the original context.
   */
  int shortest() {
    return switch (name) {
      case "v3-dynamic-ntk" -> inputIds.length;
      case "minicpm3" -> 33;
      default -> 1;
    };
  }

  /** How many of the greedy ids were given; the rest followed from them. */
  int prompt() {
    return greedyIds.length - GREEDY;
  }

  private static int[] ids(StoredTensor tensor) {
    int[] ids = new int[(int) tensor.elements()];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = (int) tensor.segment().get(JAVA_LONG_UNALIGNED, 8L * i);
    }
    return ids;
  }
}
