package io.mla4j.bench;

import java.util.Locale;

/** Models of published shapes with few layers, for random weights. */
public enum Preset {
  /** Dense, of V3's form: attention of DeepSeek-V3 with 16 heads, 461 million parameters. */
  DENSE_461M(
      "dense-461m",
      new ModelShape(4, 4, 2048, 32000, 16, 1536, 512, 64, 128, 128, 10944, 64, 2, 6, 1408)),
  /** DeepSeek-V2-Lite with 3 layers, 1 dense and 2 of 64 experts, and a small vocabulary. */
  V2_LITE_3L(
      "v2-lite-3l",
      new ModelShape(3, 1, 2048, 32000, 16, 0, 512, 64, 128, 128, 10944, 64, 2, 6, 1408));

  private final String id;
  private final ModelShape shape;

  Preset(String id, ModelShape shape) {
    this.id = id;
    this.shape = shape;
  }

  /** The name that users say. */
  public String id() {
    return id;
  }

  ModelShape shape() {
    return shape;
  }

  /**
   * The preset that users call {@code id}.
   *
   * @throws BenchException where there is none, with those that are known
   */
  public static Preset of(String id) {
    for (Preset preset : values()) {
      if (preset.id.equals(id.toLowerCase(Locale.ROOT))) {
        return preset;
      }
    }
    throw new BenchException("preset is " + id + ", but must be dense-461m or v2-lite-3l");
  }
}
