package io.mla4j.model;

import io.mla4j.MlaShape;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/** Published models by name, for questions about memory that need no checkpoint. */
public enum KnownModel {
  /** deepseek-ai/DeepSeek-V2-Lite. */
  DEEPSEEK_V2_LITE("DeepSeek-V2-Lite", 27, new MlaShape(16, 512, 64, 128, 128)),
  /** deepseek-ai/DeepSeek-V2. */
  DEEPSEEK_V2("DeepSeek-V2", 60, new MlaShape(128, 512, 64, 128, 128)),
  /** deepseek-ai/DeepSeek-V3, also R1. */
  DEEPSEEK_V3("DeepSeek-V3", 61, new MlaShape(128, 512, 64, 128, 128)),
  /** moonshotai/Moonlight-16B-A3B. */
  MOONLIGHT("Moonlight", 27, new MlaShape(16, 512, 64, 128, 128)),
  /** moonshotai/Kimi-K2-Instruct. */
  KIMI_K2("Kimi-K2", 61, new MlaShape(64, 512, 64, 128, 128)),
  /** openbmb/MiniCPM3-4B. */
  MINICPM3("MiniCPM3", 62, new MlaShape(40, 256, 32, 64, 64)),
  /** zai-org/GLM-4.7-Flash. */
  GLM_4_7_FLASH("GLM-4.7-Flash", 47, new MlaShape(20, 512, 64, 192, 256)),
  /** zai-org/GLM-5. */
  GLM_5("GLM-5", 78, new MlaShape(64, 512, 64, 192, 256)),
  /** tencent/Youtu-LLM-2B. */
  YOUTU("Youtu", 32, new MlaShape(16, 512, 64, 128, 128)),
  /** meta-llama/Llama-3.1-8B, with groups of heads that share keys and values. */
  LLAMA_3_1_8B("Llama-3.1-8B", CacheMemory.ofGroups(32, 8, 128, 32)),
  /** meta-llama/Llama-3.1-70B. */
  LLAMA_3_1_70B("Llama-3.1-70B", CacheMemory.ofGroups(64, 8, 128, 80)),
  /** Qwen/Qwen2.5-7B. */
  QWEN2_5_7B("Qwen2.5-7B", CacheMemory.ofGroups(28, 4, 128, 28));

  private final String modelName;
  private final CacheMemory memory;

  KnownModel(String modelName, int layers, MlaShape shape) {
    this(modelName, CacheMemory.ofLatents(shape, layers));
  }

  KnownModel(String modelName, CacheMemory memory) {
    this.modelName = modelName;
    this.memory = memory;
  }

  /** Its name as published. */
  public String modelName() {
    return modelName;
  }

  /** What its cache costs. */
  public CacheMemory memory() {
    return memory;
  }

  /**
   * The model called {@code name}, in any case; DeepSeek's may be called by their version alone.
   */
  public static Optional<KnownModel> named(String name) {
    String wanted = plain(name);
    return Arrays.stream(values())
        .filter(
            model ->
                plain(model.modelName).equals(wanted)
                    || plain(model.modelName).equals("deepseek" + wanted))
        .findFirst();
  }

  /** All names, for a message. */
  public static String names() {
    return Arrays.stream(values()).map(KnownModel::modelName).collect(Collectors.joining(", "));
  }

  private static String plain(String name) {
    return name.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]", "");
  }
}
