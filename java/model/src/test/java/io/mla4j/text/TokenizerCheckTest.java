package io.mla4j.text;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A file at which the native library would end the process is an error that names it. */
class TokenizerCheckTest {
  private static final Path MODEL = Path.of(System.getProperty("mla4j.root"), "models", "tiny-mla");

  private static byte[] bytes(String json) {
    return json.getBytes(StandardCharsets.UTF_8);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"decoder\": null}",
        "{\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"a\":1e3,\"b\":\"\\\"}\"}]},\"model\":{}}",
        "{\"decoder\": \"\\ud83d\\ude00\", \"model\": {\"decoder\": }}",
        "{\"version\": 1, \"x\": [\"decoder\", \"}\"], \"model\": oops",
        "{\"\u00e9\": 1}",
        "[1, 2",
        "{\"decoder\": {} {}}",
        "{\"normalizer\": {\"type\": \"Prepend\", \"prepend\": \"\u2581\"}}",
        "{\"model\": {\"type\": \"WordPiece\", \"continuing_subword_prefix\": \"##\", \"vocab\":"
            + " {}}}",
        "{\"model\": {\"continuing_subword_prefix\": null, \"merges\": []}}",
        "{\"model\": {\"continuing_subword_prefix\": \"\", \"merges\": []}}",
        ""
      })
  void theLibraryDecides(String json) {
    assertDoesNotThrow(() -> TokenizerCheck.check(bytes(json)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"decoder\": }",
        "{\"decoder\": {\"type\": }}",
        "{\"decoder\": [ }, \"model\": {}}",
        "{\"decoder\": {\"type\": \"Fuse\"",
        "{\"decoder\": {\"type\": \"Fu\u0001se\"}}",
        "{\"decoder\": {\"x\": NaN}}",
        "{\"decoder\": {\"x\": 1e999}}",
        "{\"decoder\": {\"x\": 01}}",
        "{\"decoder\": {\"x\": \"\\ud800\"}}",
        "{\"decoder\": {\"\\udc00\": 1}}",
        "{\"model\": {\"vocab\": {\"{\\\"\": 1}}, \"decoder\": {\"type\" \"Fuse\"}}",
        "{\"decoder\": null, \"decoder\": {,}}",
        "{\"\\u0064ecoder\": {,}}",
        "{\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAA\"}}",
        "{\"normalizer\": {\"normalizers\": [{\"precompiled_charsmap\": \"\"}]}}",
        "{\"normalizer\": {\"type\": \"Pre\\u0063ompiled\"}}",
        "{\"model\": {\"merges\": [], \"continuing_subword_prefix\": \"##\"}}",
        "{\"model\": {\"continuing_subword\\u005fprefix\": \"##\", \"merges\": []}}"
      })
  void isRefused(String json) {
    assertThrows(IOException.class, () -> TokenizerCheck.check(bytes(json)));
  }

  @Test
  void nestedTooDeep() {
    String json = "{\"decoder\": " + "[".repeat(200) + "]".repeat(200) + "}";
    assertThrows(IOException.class, () -> TokenizerCheck.check(bytes(json)));
  }

  @Test
  void theErrorNamesTheFile(@TempDir Path directory) throws IOException {
    String json = Files.readString(MODEL.resolve("tokenizer.json"));
    Path file = directory.resolve("tokenizer.json");
    Files.writeString(file, json.replaceFirst("(\"decoder\"\\s*:\\s*)\\{", "$1{{"));
    String message =
        assertThrows(CheckpointException.class, () -> Tokenizer.open(directory)).getMessage();
    assertTrue(message.startsWith(file + ": is not a usable tokenizer: its decoder"), message);
    assertFalse(message.contains("\n"), message);
  }
}
