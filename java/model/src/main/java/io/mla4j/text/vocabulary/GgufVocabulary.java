package io.mla4j.text.vocabulary;

import io.mla4j.checkpoint.GgufMetadata;
import io.mla4j.checkpoint.Quote;
import io.mla4j.text.vocabulary.TokenizerJson.Added;
import io.mla4j.text.vocabulary.TokenizerJson.Content;
import io.mla4j.text.vocabulary.TokenizerJson.Merge;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * The vocabulary of a GGUF, {@code tokenizer.ggml.*}: byte pairs ({@code gpt2}) or SentencePiece
 * ({@code llama}).
 */
final class GgufVocabulary {
  private static final String MODEL = "tokenizer.ggml.model";
  private static final String PRE = "tokenizer.ggml.pre";
  private static final String TOKENS = "tokenizer.ggml.tokens";
  private static final String TYPES = "tokenizer.ggml.token_type";
  private static final String SCORES = "tokenizer.ggml.scores";
  private static final String MERGES = "tokenizer.ggml.merges";
  private static final String BOS = "tokenizer.ggml.bos_token_id";
  private static final String ADD_BOS = "tokenizer.ggml.add_bos_token";
  private static final String UNKNOWN = "tokenizer.ggml.unknown_token_id";
  private static final String ADD_SPACE = "tokenizer.ggml.add_space_prefix";

  /** Numbers of {@link #TYPES}. */
  private static final int NORMAL = 1;

  private static final int OF_UNKNOWN = 2;
  private static final int CONTROL = 3;
  private static final int USER_DEFINED = 4;

  private final GgufMetadata keys;
  private final List<String> tokens;
  private final int @Nullable [] types;

  private GgufVocabulary(GgufMetadata keys) {
    this.keys = keys;
    tokens = tokens(keys);
    types = keys.ints(TYPES).orElse(null);
    if (types != null && types.length < tokens.size()) {
      throw keys.error(
          TYPES, "has " + types.length + " entries, but there are " + tokens.size() + " tokens");
    }
  }

  static TokenizerSource read(GgufMetadata keys) {
    String model =
        keys.text(MODEL)
            .orElseThrow(() -> keys.error(MODEL, "is missing, so there is no tokenizer"));
    return switch (model) {
      case "gpt2" -> new GgufVocabulary(keys).ofBytes();
      case "llama" -> new GgufVocabulary(keys).ofCharacters();
      default -> throw keys.error(MODEL, "is " + Quote.name(model) + ", but must be gpt2 or llama");
    };
  }

  private static List<String> tokens(GgufMetadata keys) {
    List<String> stored = keys.texts(TOKENS).orElseThrow(() -> keys.error(TOKENS, "is missing"));
    if (stored.isEmpty()) {
      throw keys.error(TOKENS, "is empty");
    }
    List<String> tokens = new ArrayList<>(stored.size());
    Map<String, Integer> ids = HashMap.newHashMap(stored.size());
    for (String text : stored) {
      int id = tokens.size();
      String token = text.isEmpty() ? "[EMPTY_" + id + "]" : text;
      Integer other = ids.putIfAbsent(token, id);
      if (other != null) {
        throw keys.error(TOKENS, "has " + Quote.name(token) + " twice, as " + other + " and " + id);
      }
      tokens.add(token);
    }
    return tokens;
  }

  private TokenizerSource ofBytes() {
    String name = keys.text(PRE).orElse("default");
    PreTokenizer pre =
        PreTokenizer.find(name)
            .orElseThrow(
                () ->
                    keys.error(
                        PRE,
                        "is "
                            + Quote.name(name)
                            + ", but must be one of "
                            + String.join(", ", PreTokenizer.names())));
    List<Merge> merges =
        pre.byRank() ? Merges.byRank(tokens, id -> type(id) == NORMAL) : storedMerges();
    return source(TokenizerJson.ofBytes(new Content(tokens, added(), merges), pre), pre.addBos());
  }

  private List<Merge> storedMerges() {
    List<String> stored = keys.texts(MERGES).orElseThrow(() -> keys.error(MERGES, "is missing"));
    List<Merge> merges = new ArrayList<>(stored.size());
    for (String pair : stored) {
      int space = pair.indexOf(' ', 1);
      if (space < 0) {
        throw keys.error(
            MERGES, "has " + Quote.name(pair) + " as " + merges.size() + ", which is no pair");
      }
      merges.add(new Merge(pair.substring(0, space), pair.substring(space + 1)));
    }
    return merges;
  }

  private TokenizerSource ofCharacters() {
    float[] scores = keys.floats(SCORES).orElseThrow(() -> keys.error(SCORES, "is missing"));
    if (scores.length < tokens.size()) {
      throw keys.error(
          SCORES, "has " + scores.length + " entries, but there are " + tokens.size() + " tokens");
    }
    int unknown = id(UNKNOWN).orElse(0);
    if (unknown >= tokens.size()) {
      throw keys.error(UNKNOWN, "is " + unknown + ", but there are " + tokens.size() + " tokens");
    }
    List<Merge> merges =
        Merges.byScore(tokens, scores, id -> type(id) == NORMAL || type(id) == USER_DEFINED);
    boolean prefix = keys.flag(ADD_SPACE).orElse(true);
    return source(
        TokenizerJson.ofCharacters(
            new Content(tokens, added(), merges), tokens.get(unknown), prefix),
        true);
  }

  private OptionalInt id(String key) {
    return keys.wholeNumber(key, 0, Integer.MAX_VALUE);
  }

  private int type(int id) {
    return types == null ? NORMAL : types[id];
  }

  /** What is found in a text first; BOS too, whatever its type. */
  private List<Added> added() {
    List<Added> added = new ArrayList<>();
    int bos = bos().orElse(-1);
    for (int id = 0; id < tokens.size(); id++) {
      int type = type(id);
      boolean special = type == CONTROL || type == OF_UNKNOWN || id == bos;
      if (special || type == USER_DEFINED) {
        added.add(new Added(id, special));
      }
    }
    return added;
  }

  /** An id beyond the tokens is none, as for llama.cpp. */
  private OptionalInt bos() {
    OptionalInt id = id(BOS);
    return id.isPresent() && id.getAsInt() < tokens.size() ? id : OptionalInt.empty();
  }

  private TokenizerSource source(byte[] json, boolean addBos) {
    OptionalInt bos = bos();
    boolean add = keys.flag(ADD_BOS).orElse(addBos) && bos.isPresent();
    return new TokenizerSource(
        keys.file().toString(),
        json,
        bos.isPresent() ? Optional.of(tokens.get(bos.getAsInt())) : Optional.empty(),
        Optional.of(add));
  }
}
