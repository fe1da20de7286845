package io.mla4j.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Locale;
import java.util.Map;

/** Models of published shapes with few layers, for random weights: a config.json each. */
public enum Preset {
  /** Dense, of V3's form: attention of DeepSeek-V3 with 16 heads, 461 million parameters. */
  DENSE_461M("dense-461m"),
  /** DeepSeek-V2-Lite with 3 layers, 1 dense and 2 of 64 experts, and a small vocabulary. */
  V2_LITE_3L("v2-lite-3l");

  private final String id;

  Preset(String id) {
    this.id = id;
  }

  /** The name that users say. */
  public String id() {
    return id;
  }

  /** What its config.json holds. */
  @SuppressWarnings("unchecked") // an object with texts as keys
  Map<String, Object> config() {
    try (InputStream in = Preset.class.getResourceAsStream(id + ".json")) {
      return new ObjectMapper().readValue(in, Map.class);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
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
