package io.mla4j.text.vocabulary;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.checkpoint.Json;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * How a text is cut before byte pairs are merged, by the name that GGUF's {@code
 * tokenizer.ggml.pre} has for it. {@code pretokenizers.json} lists them.
 *
 * @param split patterns, each of which cuts the pieces that the ones before it left
 * @param normalizer what comes before them, as tokenizer.json calls it
 * @param ignoreMerges whether a piece that is a token is taken whole, whatever the merges make of
 *     it
 * @param addBos whether BOS is put before a text where a file does not say it
 * @param byRank whether any two tokens may be merged, by the rank of what comes out, and a file's
 *     own merges do not count
 */
record PreTokenizer(
    List<String> split,
    Optional<String> normalizer,
    boolean ignoreMerges,
    boolean addBos,
    boolean byRank) {
  private static final String TABLE = "pretokenizers.json";

  /** That of Moonlight, Kimi-K2 and Kimi-Linear. */
  static final String KIMI = "kimi-k2";

  /** The one called {@code name}, where it is known. */
  static Optional<PreTokenizer> find(String name) {
    return Optional.ofNullable(all().get(name));
  }

  /** Every name, in alphabetical order. */
  static List<String> names() {
    return List.copyOf(all().keySet());
  }

  private static Map<String, PreTokenizer> all() {
    return Table.ALL;
  }

  /** Read when the first one is asked for. */
  private static final class Table {
    static final Map<String, PreTokenizer> ALL = new TreeMap<>();

    static {
      try (InputStream in = PreTokenizer.class.getResourceAsStream(TABLE)) {
        for (JsonNode entry : Json.readObject(TABLE, in).get("pretokenizers")) {
          PreTokenizer pre = read(entry);
          entry.get("names").forEach(name -> ALL.put(name.textValue(), pre));
        }
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    private static PreTokenizer read(JsonNode entry) {
      List<String> split = new ArrayList<>();
      entry.get("split").forEach(regex -> split.add(regex.textValue()));
      return new PreTokenizer(
          List.copyOf(split),
          Optional.ofNullable(entry.path("normalizer").textValue()),
          entry.path("ignore_merges").booleanValue(),
          entry.path("add_bos").booleanValue(),
          entry.path("merge_by_rank").booleanValue());
    }
  }
}
