package io.mla4j.server;

import com.fasterxml.jackson.core.JsonGenerator;
import io.mla4j.engine.Event;
import io.mla4j.engine.chat.ChatDelta;
import io.mla4j.engine.chat.ChatEvent;
import io.mla4j.engine.chat.Message;
import io.mla4j.engine.chat.ToolCall;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** The answers of a chat completion, piece by piece or as a whole. Belongs to one thread. */
final class ChatTexts {
  private static final String CHUNK = "chat.completion.chunk";

  private final Heading heading;
  private final Asked asked;
  private final boolean logprobs;
  private final TokenTexts tokens;
  private final Totals totals = new Totals();
  private final ChatEvent.Finished[] ends;
  private final List<List<Event.Token>> kept = new ArrayList<>();

  ChatTexts(Service service, Asked asked, boolean logprobs) {
    this.heading = Heading.of("chatcmpl-", service);
    this.asked = asked;
    this.logprobs = logprobs;
    this.tokens = new TokenTexts(service.engine().model());
    this.ends = new ChatEvent.Finished[asked.n()];
    for (int i = 0; i < asked.n(); i++) {
      kept.add(new ArrayList<>());
    }
  }

  /** The first piece of each answer says who speaks. */
  void sendRoles(EventStream out) throws IOException {
    for (int i = 0; i < ends.length; i++) {
      send(
          out,
          i,
          null,
          null,
          json -> {
            json.writeStringField("role", "assistant");
            json.writeStringField("content", "");
          });
    }
  }

  /** Sends what happened. */
  void send(ChatEvent event, EventStream out) throws IOException {
    keep(event);
    switch (event) {
      case ChatEvent.Token token -> {
        Event.Token told = logprobs ? token.token() : null;
        if (told != null && token.deltas().isEmpty()) {
          send(out, token.choice(), told, null, json -> json.writeStringField("content", ""));
        }
        for (ChatDelta delta : token.deltas()) {
          send(out, token.choice(), told, null, json -> write(json, delta));
          told = null;
        }
      }
      case ChatEvent.Finished end -> {
        for (ChatDelta delta : end.deltas()) {
          send(out, end.choice(), null, null, json -> write(json, delta));
        }
        send(out, end.choice(), null, reason(end), _ -> {});
      }
      case ChatEvent.Failed _ -> throw new AssertionError("told before");
    }
  }

  private void send(
      EventStream out, int choice, Event.Token told, String reason, JsonOut.Content delta)
      throws IOException {
    out.send(
        json -> {
          heading.write(json, CHUNK);
          json.writeArrayFieldStart("choices");
          json.writeStartObject();
          json.writeNumberField("index", choice);
          json.writeObjectFieldStart("delta");
          delta.write(json);
          json.writeEndObject();
          writeLogprobs(json, told == null ? List.of() : List.of(told));
          json.writeStringField("finish_reason", reason);
          json.writeEndObject();
          json.writeEndArray();
        });
  }

  private static void write(JsonGenerator json, ChatDelta delta) throws IOException {
    switch (delta) {
      case ChatDelta.Content(String text) -> json.writeStringField("content", text);
      case ChatDelta.Reasoning(String text) -> json.writeStringField("reasoning_content", text);
      case ChatDelta.CallStart(int index, String id, String name) ->
          writeCall(json, index, id, name, "");
      case ChatDelta.CallArguments(int index, String text) ->
          writeCall(json, index, null, null, text);
    }
  }

  private static void writeCall(
      JsonGenerator json, int index, String id, String name, String arguments) throws IOException {
    json.writeArrayFieldStart("tool_calls");
    json.writeStartObject();
    json.writeNumberField("index", index);
    writeFunction(json, id, name, arguments);
    json.writeEndObject();
    json.writeEndArray();
  }

  private static void writeFunction(JsonGenerator json, String id, String name, String arguments)
      throws IOException {
    if (id != null) {
      json.writeStringField("id", id);
      json.writeStringField("type", "function");
    }
    json.writeObjectFieldStart("function");
    if (name != null) {
      json.writeStringField("name", name);
    }
    json.writeStringField("arguments", arguments);
    json.writeEndObject();
  }

  /** Keeps what happened. */
  void keep(ChatEvent event) {
    switch (event) {
      case ChatEvent.Token token -> {
        if (token.deltas().stream().anyMatch(ChatDelta.Reasoning.class::isInstance)) {
          totals.thought();
        }
        if (logprobs && !asked.stream()) {
          kept.get(token.choice()).add(token.token());
        }
      }
      case ChatEvent.Finished end -> {
        ends[end.choice()] = end;
        totals.add(0, end.usage());
      }
      case ChatEvent.Failed _ -> throw new AssertionError("told before");
    }
  }

  private static String reason(ChatEvent.Finished end) {
    return end.callsTools() ? "tool_calls" : Completions.reason(end.reason());
  }

  void sendUsage(EventStream out) throws IOException {
    if (asked.includeUsage()) {
      out.send(
          json -> {
            heading.write(json, CHUNK);
            json.writeArrayFieldStart("choices");
            json.writeEndArray();
            totals.write(json);
          });
    }
  }

  /** Writes all of it. */
  void write(JsonGenerator json) throws IOException {
    heading.write(json, "chat.completion");
    json.writeArrayFieldStart("choices");
    for (ChatEvent.Finished end : ends) {
      json.writeStartObject();
      json.writeNumberField("index", end.choice());
      json.writeObjectFieldStart("message");
      write(json, end.message());
      json.writeEndObject();
      writeLogprobs(json, kept.get(end.choice()));
      json.writeStringField("finish_reason", reason(end));
      json.writeEndObject();
    }
    json.writeEndArray();
    totals.write(json);
  }

  private static void write(JsonGenerator json, Message message) throws IOException {
    json.writeStringField("role", "assistant");
    json.writeStringField("content", message.content());
    json.writeNullField("refusal");
    if (message.reasoning() != null) {
      json.writeStringField("reasoning_content", message.reasoning());
    }
    if (!message.toolCalls().isEmpty()) {
      json.writeArrayFieldStart("tool_calls");
      for (ToolCall call : message.toolCalls()) {
        json.writeStartObject();
        writeFunction(json, call.id(), call.name(), call.arguments());
        json.writeEndObject();
      }
      json.writeEndArray();
    }
  }

  private void writeLogprobs(JsonGenerator json, List<Event.Token> told) throws IOException {
    if (told.isEmpty()) {
      json.writeNullField("logprobs");
      return;
    }
    json.writeObjectFieldStart("logprobs");
    json.writeArrayFieldStart("content");
    for (Event.Token token : told) {
      tokens.write(json, token);
    }
    json.writeEndArray();
    json.writeNullField("refusal");
    json.writeEndObject();
  }
}
