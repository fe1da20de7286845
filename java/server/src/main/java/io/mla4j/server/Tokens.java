package io.mla4j.server;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.engine.chat.Prompt;
import io.mla4j.text.Tokenizer;
import java.io.IOException;
import java.util.List;

/** Texts to ids and back, and conversations to texts. */
final class Tokens {
  private Tokens() {}

  /** The ids of a {@code content} or {@code prompt}, or of a conversation. */
  static void tokenize(Call call) throws IOException {
    Fields body = call.body();
    Service service = call.service();
    int[] ids;
    if (body.has("messages")) {
      ids = service.render(ChatBody.read(body, service.limits()), "messages").ids();
    } else {
      String field = body.has("content") ? "content" : "prompt";
      String text = body.text(field, null);
      if (text == null) {
        throw body.missing("content");
      }
      service.requireRoom(field, List.of(text));
      Tokenizer tokenizer = service.engine().model().tokenizer();
      ids = tokenizer.encode(text, body.flag("add_special", true));
    }
    boolean pieces = body.flag("with_pieces", false);
    TokenTexts texts = new TokenTexts(service.engine().model());
    call.json(
        200,
        json -> {
          json.writeArrayFieldStart("tokens");
          for (int id : ids) {
            if (pieces) {
              writePiece(json, id, texts);
            } else {
              json.writeNumber(id);
            }
          }
          json.writeEndArray();
          json.writeNumberField("count", ids.length);
          json.writeNumberField("max_model_len", service.context());
        });
  }

  private static void writePiece(JsonGenerator json, int id, TokenTexts texts) throws IOException {
    json.writeStartObject();
    json.writeNumberField("id", id);
    json.writeStringField("piece", texts.text(id));
    json.writeEndObject();
  }

  /** The text of ids. */
  static void detokenize(Call call) throws IOException {
    Fields body = call.body();
    JsonNode tokens = body.any("tokens");
    if (tokens == null) {
      throw body.missing("tokens");
    }
    Service service = call.service();
    int[] ids = body.ids("tokens", tokens, service.engine().model().vocabulary());
    String text = service.engine().model().tokenizer().decode(ids, false);
    call.json(
        200,
        json -> {
          json.writeStringField("content", text);
          json.writeStringField("prompt", text);
        });
  }

  /** The text that a conversation becomes. */
  static void applyTemplate(Call call) throws IOException {
    Fields body = call.body();
    Service service = call.service();
    Prompt prompt = service.render(ChatBody.read(body, service.limits()), "messages");
    call.json(
        200,
        json -> {
          json.writeStringField("prompt", prompt.text());
          json.writeNumberField("count", prompt.ids().length);
        });
  }
}
