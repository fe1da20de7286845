package io.mla4j.text.vocabulary;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;

/**
 * Writes a tokenizer.json: byte pairs over the 256 characters that stand for bytes, as GPT-2 has
 * them, or over characters with bytes to fall back on, as SentencePiece has them.
 *
 * <p>Every token is in the model's vocabulary, added ones too: the tokenizer's library numbers what
 * it does not find there by itself.
 */
final class TokenizerJson {
  /** Space, as SentencePiece writes it. */
  static final String SPACE = "\u2581";

  private static final JsonFactory FACTORY = new JsonFactory();

  private TokenizerJson() {}

  /**
   * A token that is found in a text before anything else is done with it.
   *
   * @param special whether decoding may leave it out
   */
  record Added(int id, boolean special) {}

  /** Two tokens that become one. */
  record Merge(String left, String right) {}

  /**
   * What both kinds have.
   *
   * @param tokens by id
   * @param added those that are found first
   * @param merges the earlier, the sooner
   */
  record Content(List<String> tokens, List<Added> added, List<Merge> merges) {}

  /** Byte pairs within the pieces that {@code pre} cuts a text into. */
  static byte[] ofBytes(Content content, PreTokenizer pre) {
    return write(
        out -> {
          header(out, content);
          if (pre.normalizer().isPresent()) {
            out.writeObjectFieldStart("normalizer");
            out.writeStringField("type", pre.normalizer().get());
            out.writeEndObject();
          } else {
            out.writeNullField("normalizer");
          }
          out.writeObjectFieldStart("pre_tokenizer");
          out.writeStringField("type", "Sequence");
          out.writeArrayFieldStart("pretokenizers");
          for (String regex : pre.split()) {
            out.writeStartObject();
            out.writeStringField("type", "Split");
            out.writeObjectFieldStart("pattern");
            out.writeStringField("Regex", regex);
            out.writeEndObject();
            out.writeStringField("behavior", "Isolated");
            out.writeBooleanField("invert", false);
            out.writeEndObject();
          }
          byteLevel(out);
          out.writeEndArray();
          out.writeEndObject();
          out.writeNullField("post_processor");
          out.writeFieldName("decoder");
          byteLevel(out);
          startModel(out, content);
          out.writeBooleanField("ignore_merges", pre.ignoreMerges());
          out.writeBooleanField("byte_fallback", false);
          out.writeEndObject();
          out.writeEndObject();
        });
  }

  /**
   * Pairs of characters, over a whole text.
   *
   * @param unknown the token of what has none
   * @param prefix whether a space is put before a text
   */
  static byte[] ofCharacters(Content content, String unknown, boolean prefix) {
    return write(
        out -> {
          header(out, content);
          out.writeObjectFieldStart("normalizer");
          out.writeStringField("type", "Sequence");
          out.writeArrayFieldStart("normalizers");
          if (prefix) {
            out.writeStartObject();
            out.writeStringField("type", "Prepend");
            out.writeStringField("prepend", SPACE);
            out.writeEndObject();
          }
          replace(out, " ", SPACE);
          out.writeEndArray();
          out.writeEndObject();
          out.writeNullField("pre_tokenizer");
          out.writeNullField("post_processor");
          out.writeObjectFieldStart("decoder");
          out.writeStringField("type", "Sequence");
          out.writeArrayFieldStart("decoders");
          replace(out, SPACE, " ");
          for (String type : List.of("ByteFallback", "Fuse")) {
            out.writeStartObject();
            out.writeStringField("type", type);
            out.writeEndObject();
          }
          if (prefix) {
            out.writeStartObject();
            out.writeStringField("type", "Strip");
            out.writeStringField("content", " ");
            out.writeNumberField("start", 1);
            out.writeNumberField("stop", 0);
            out.writeEndObject();
          }
          out.writeEndArray();
          out.writeEndObject();
          startModel(out, content);
          out.writeStringField("unk_token", unknown);
          out.writeBooleanField("fuse_unk", true);
          out.writeBooleanField("byte_fallback", true);
          out.writeEndObject();
          out.writeEndObject();
        });
  }

  private static void header(JsonGenerator out, Content content) throws IOException {
    out.writeStartObject();
    out.writeStringField("version", "1.0");
    out.writeNullField("truncation");
    out.writeNullField("padding");
    out.writeArrayFieldStart("added_tokens");
    for (Added token : content.added()) {
      out.writeStartObject();
      out.writeNumberField("id", token.id());
      out.writeStringField("content", content.tokens().get(token.id()));
      for (String no : List.of("single_word", "lstrip", "rstrip", "normalized")) {
        out.writeBooleanField(no, false);
      }
      out.writeBooleanField("special", token.special());
      out.writeEndObject();
    }
    out.writeEndArray();
  }

  private static void byteLevel(JsonGenerator out) throws IOException {
    out.writeStartObject();
    out.writeStringField("type", "ByteLevel");
    out.writeBooleanField("add_prefix_space", false);
    out.writeBooleanField("trim_offsets", true);
    out.writeBooleanField("use_regex", false);
    out.writeEndObject();
  }

  private static void replace(JsonGenerator out, String from, String to) throws IOException {
    out.writeStartObject();
    out.writeStringField("type", "Replace");
    out.writeObjectFieldStart("pattern");
    out.writeStringField("String", from);
    out.writeEndObject();
    out.writeStringField("content", to);
    out.writeEndObject();
  }

  private static void startModel(JsonGenerator out, Content content) throws IOException {
    out.writeObjectFieldStart("model");
    out.writeStringField("type", "BPE");
    out.writeObjectFieldStart("vocab");
    for (int id = 0; id < content.tokens().size(); id++) {
      out.writeNumberField(content.tokens().get(id), id);
    }
    out.writeEndObject();
    out.writeArrayFieldStart("merges");
    for (Merge merge : content.merges()) {
      out.writeStartArray();
      out.writeString(merge.left());
      out.writeString(merge.right());
      out.writeEndArray();
    }
    out.writeEndArray();
  }

  @FunctionalInterface
  private interface Body {
    void write(JsonGenerator out) throws IOException;
  }

  private static byte[] write(Body body) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(1 << 20);
    try (JsonGenerator out = FACTORY.createGenerator(bytes)) {
      body.write(out);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }
}
