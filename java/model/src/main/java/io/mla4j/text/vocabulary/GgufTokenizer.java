package io.mla4j.text.vocabulary;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.GgufExport;
import io.mla4j.checkpoint.Json;
import io.mla4j.checkpoint.Quote;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Says in the keys of a GGUF what a tokenizer.json says: byte pairs, as {@link GgufVocabulary}
 * reads them. Others are refused.
 */
public final class GgufTokenizer {
  private static final int NORMAL = 1;
  private static final int CONTROL = 3;
  private static final int USER_DEFINED = 4;
  private static final int UNUSED = 5;

  private final TokenizerSource source;
  private final JsonNode json;

  private GgufTokenizer(TokenizerSource source) {
    this.source = source;
    try {
      json = Json.readObject(source.name(), new ByteArrayInputStream(source.json()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Adds the keys.
   *
   * @param vocabulary ids of the model, of which some may have no token
   * @param pre the name of how a text is cut before pairs are merged; empty: the one whose patterns
   *     the tokenizer has
   * @throws CheckpointException naming what of the tokenizer a GGUF cannot say
   */
  public static void write(
      TokenizerSource source, int vocabulary, Optional<String> pre, GgufExport to) {
    new GgufTokenizer(source).write(vocabulary, pre, to);
  }

  private void write(int vocabulary, Optional<String> pre, GgufExport to) {
    JsonNode model = json.path("model");
    if (!model.path("type").asText().equals("BPE") || model.path("byte_fallback").asBoolean()) {
      throw error("is no vocabulary of byte pairs, which is the only kind that can be written");
    }
    String[] tokens = new String[vocabulary];
    int[] types = new int[vocabulary];
    Arrays.fill(types, NORMAL);
    for (Map.Entry<String, JsonNode> entry : model.path("vocab").properties()) {
      tokens[id(entry.getValue(), entry.getKey(), vocabulary)] = entry.getKey();
    }
    for (JsonNode added : json.path("added_tokens")) {
      String text = added.path("content").asText();
      int id = id(added.path("id"), text, vocabulary);
      tokens[id] = text;
      types[id] = added.path("special").asBoolean() ? CONTROL : USER_DEFINED;
    }
    for (int id = 0; id < vocabulary; id++) {
      if (tokens[id] == null) {
        tokens[id] = "[PAD" + id + "]";
        types[id] = UNUSED;
      }
    }
    to.put("tokenizer.ggml.model", "gpt2");
    to.put("tokenizer.ggml.pre", pre.orElseGet(this::pre));
    to.put("tokenizer.ggml.tokens", Arrays.asList(tokens));
    to.put("tokenizer.ggml.token_type", types);
    to.put("tokenizer.ggml.merges", merges(model.path("merges")));
    bos(tokens).ifPresent(id -> to.put("tokenizer.ggml.bos_token_id", id));
    source.addBos().ifPresent(add -> to.put("tokenizer.ggml.add_bos_token", add));
  }

  private int id(JsonNode id, String token, int vocabulary) {
    if (!id.isInt() || id.intValue() < 0 || id.intValue() >= vocabulary) {
      throw error(
          "has the token "
              + Quote.name(token)
              + " with the id "
              + Quote.line(id.toString())
              + ", but the model has "
              + vocabulary);
    }
    return id.intValue();
  }

  private OptionalInt bos(String[] tokens) {
    int id = source.bosToken().map(Arrays.asList(tokens)::indexOf).orElse(-1);
    return id < 0 ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /** Pairs, given as two texts or as one with a space between them. */
  private List<String> merges(JsonNode merges) {
    List<String> pairs = new ArrayList<>(merges.size());
    for (JsonNode merge : merges) {
      pairs.add(
          merge.isArray() ? merge.path(0).asText() + " " + merge.path(1).asText() : merge.asText());
    }
    return pairs;
  }

  /**
   * The cutting with the same patterns, or else the first that has all of them and more: what it
   * cuts further are kinds of characters that the vocabulary was not made for.
   */
  private String pre() {
    List<String> patterns = new ArrayList<>();
    JsonNode cutting = json.path("pre_tokenizer");
    JsonNode all = cutting.path("pretokenizers");
    for (JsonNode part : all.isMissingNode() ? List.of(cutting) : all) {
      if (part.path("type").asText().equals("Split")) {
        patterns.add(plain(part.path("pattern").path("Regex").asText()));
      }
    }
    boolean ignoreMerges = json.path("model").path("ignore_merges").asBoolean();
    for (boolean exactly : new boolean[] {true, false}) {
      for (String name : PreTokenizer.names()) {
        PreTokenizer pre = PreTokenizer.find(name).orElseThrow();
        List<String> known = pre.split().stream().map(GgufTokenizer::plain).toList();
        boolean same = exactly ? known.equals(patterns) : known.containsAll(patterns);
        if (same && !patterns.isEmpty() && pre.ignoreMerges() == ignoreMerges) {
          return name;
        }
      }
    }
    throw error(
        "cuts texts by patterns that no GGUF has a name for; name one of "
            + String.join(", ", PreTokenizer.names()));
  }

  /** Quotes need no backslash. */
  private static String plain(String pattern) {
    return pattern.replace("\\\"", "\"").replace("\\'", "'");
  }

  private CheckpointException error(String what) {
    return new CheckpointException(source.name() + ": " + what);
  }
}
