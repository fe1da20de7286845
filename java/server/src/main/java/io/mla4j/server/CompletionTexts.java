package io.mla4j.server;

import com.fasterxml.jackson.core.JsonGenerator;
import io.mla4j.engine.Event;
import io.mla4j.engine.TokenLogprob;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** The texts of a request to completions, piece by piece or as a whole. Belongs to one thread. */
final class CompletionTexts {
  private static final String OBJECT = "text_completion";

  private final Heading heading;
  private final Asked asked;
  private final boolean logprobs;
  private final TokenTexts tokens;
  private final Totals totals = new Totals();
  private final List<Text> texts = new ArrayList<>();

  /** One text so far. */
  private static final class Text {
    final StringBuilder said = new StringBuilder();
    final List<Event.Token> tokens = new ArrayList<>();
    String echo = "";
    String reason;

    /** Characters that were sent before the tokens of this piece. */
    int offset;
  }

  CompletionTexts(Service service, Asked asked, int prompts, boolean logprobs) {
    this.heading = Heading.of("cmpl-", service);
    this.asked = asked;
    this.logprobs = logprobs;
    this.tokens = new TokenTexts(service.engine().model());
    for (int i = 0; i < prompts * asked.n(); i++) {
      texts.add(new Text());
    }
  }

  /** The texts of a prompt begin with it. */
  void echo(int prompt, String text) {
    for (int i = 0; i < asked.n(); i++) {
      texts.get(prompt * asked.n() + i).echo = text;
    }
  }

  void sendEchoes(EventStream out) throws IOException {
    for (int i = 0; i < texts.size(); i++) {
      if (!texts.get(i).echo.isEmpty()) {
        texts.get(i).said.append(texts.get(i).echo);
        send(i, out);
      }
    }
  }

  /** Keeps what happened. */
  void keep(Merged.Item item) {
    Text text = texts.get(index(item));
    switch (item.event()) {
      case Event.Token token -> {
        text.said.append(token.text());
        if (logprobs) {
          text.tokens.add(token);
        }
      }
      case Event.Finished finished -> {
        text.reason = Completions.reason(finished.reason());
        totals.add(item.request(), finished.usage());
      }
      case Event.Failed _ -> throw new AssertionError("told before");
    }
  }

  private int index(Merged.Item item) {
    return item.request() * asked.n() + item.event().choice();
  }

  /** Sends what happened. */
  void send(Merged.Item item, EventStream out) throws IOException {
    keep(item);
    Text text = texts.get(index(item));
    if (!text.said.isEmpty() || !text.tokens.isEmpty() || text.reason != null) {
      send(index(item), out);
    }
  }

  private void send(int index, EventStream out) throws IOException {
    Text text = texts.get(index);
    out.send(
        json -> {
          heading.write(json, OBJECT);
          json.writeArrayFieldStart("choices");
          write(json, index, text.said.toString());
          json.writeEndArray();
        });
    text.offset += text.said.length();
    text.said.setLength(0);
    text.tokens.clear();
  }

  void sendUsage(EventStream out) throws IOException {
    if (asked.includeUsage()) {
      out.send(
          json -> {
            heading.write(json, OBJECT);
            json.writeArrayFieldStart("choices");
            json.writeEndArray();
            totals.write(json);
          });
    }
  }

  /** Writes all of it. */
  void write(JsonGenerator json) throws IOException {
    heading.write(json, OBJECT);
    json.writeArrayFieldStart("choices");
    for (int i = 0; i < texts.size(); i++) {
      write(json, i, texts.get(i).echo + texts.get(i).said);
    }
    json.writeEndArray();
    totals.write(json);
  }

  private void write(JsonGenerator json, int index, String said) throws IOException {
    Text text = texts.get(index);
    json.writeStartObject();
    json.writeNumberField("index", index);
    json.writeStringField("text", said);
    if (text.tokens.isEmpty()) {
      json.writeNullField("logprobs");
    } else {
      writeLogprobs(json, text);
    }
    json.writeStringField("finish_reason", text.reason);
    json.writeEndObject();
  }

  private void writeLogprobs(JsonGenerator json, Text text) throws IOException {
    json.writeObjectFieldStart("logprobs");
    json.writeArrayFieldStart("tokens");
    for (Event.Token token : text.tokens) {
      json.writeString(tokens.text(token.id()));
    }
    json.writeEndArray();
    json.writeArrayFieldStart("token_logprobs");
    for (Event.Token token : text.tokens) {
      json.writeNumber(TokenTexts.finite(token.logprob().logprob()));
    }
    json.writeEndArray();
    json.writeArrayFieldStart("top_logprobs");
    for (Event.Token token : text.tokens) {
      json.writeStartObject();
      Set<String> names = new HashSet<>();
      for (TokenLogprob.Top top : token.logprob().top()) {
        // Of tokens with the same text the likeliest counts.
        if (names.add(tokens.text(top.id()))) {
          json.writeNumberField(tokens.text(top.id()), TokenTexts.finite(top.logprob()));
        }
      }
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeArrayFieldStart("text_offset");
    int offset = text.offset;
    for (Event.Token token : text.tokens) {
      json.writeNumber(offset);
      offset += token.text().length();
    }
    json.writeEndArray();
    json.writeEndObject();
  }
}
