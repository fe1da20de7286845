package io.mla4j.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The way to ai.djl.huggingface.tokenizers, which by itself cuts texts at 512 ids, asks a metadata
 * address of a cloud who it is, looks for downloads, and unpacks its native library into the home
 * folder. Here it does none of that.
 *
 * <p>Its switches are system properties; they are set while a tokenizer is made and taken back, so
 * that a host that uses the library for other things keeps its settings. What the host has set
 * itself is left alone.
 */
final class TokenizerLibrary {
  private TokenizerLibrary() {}

  /**
   * A tokenizer of the text of a tokenizer.json, which neither truncates nor pads nor adds special
   * tokens.
   *
   * @throws RuntimeException of any kind where the library refuses the text
   * @throws LinkageError where its native part does not load
   */
  static synchronized HuggingFaceTokenizer load(String json) throws IOException {
    List<String> ours = new ArrayList<>();
    try {
      set("OPT_OUT_TRACKING", "true", ours);
      set("ai.djl.offline", "true", ours);
      set("ENGINE_CACHE_DIR", cacheDirectory().toString(), ours);
      return HuggingFaceTokenizer.newInstance(
          new ByteArrayInputStream(json.getBytes(StandardCharsets.UTF_8)),
          Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false"));
    } finally {
      ours.forEach(System::clearProperty);
    }
  }

  private static void set(String property, String value, List<String> ours) {
    if (System.getProperty(property) == null) {
      System.setProperty(property, value);
      ours.add(property);
    }
  }

  /**
   * {@code <cache>/mla4j}: under XDG_CACHE_HOME, else ~/.cache, else the folder for temporary
   * files.
   */
  private static Path cacheDirectory() throws IOException {
    String xdg = System.getenv("XDG_CACHE_HOME");
    Path cache =
        xdg != null && !xdg.isEmpty()
            ? Path.of(xdg)
            : Path.of(System.getProperty("user.home"), ".cache");
    try {
      return Files.createDirectories(cache.resolve("mla4j"));
    } catch (IOException e) {
      return Files.createTempDirectory("mla4j");
    }
  }
}
