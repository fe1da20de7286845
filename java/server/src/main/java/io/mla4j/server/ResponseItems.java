package io.mla4j.server;

import com.fasterxml.jackson.core.JsonGenerator;
import io.mla4j.engine.FinishReason;
import io.mla4j.engine.chat.ChatDelta;
import io.mla4j.engine.chat.ChatEvent;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** What a response consists of so far: thoughts, a message, calls. Belongs to one thread. */
final class ResponseItems {
  /** Kinds of items. */
  enum Kind {
    /** What the model thought. */
    REASONING("rs_"),
    /** What it says. */
    MESSAGE("msg_"),
    /** A tool that it wants to have called. */
    CALL("fc_");

    final String prefix;

    Kind(String prefix) {
      this.prefix = prefix;
    }
  }

  /** An item: its text is that of the message, the thoughts or the arguments. */
  static final class Item {
    final Kind kind;
    final String id;
    final String callId;
    final String name;
    final StringBuilder text = new StringBuilder();
    boolean isComplete;

    Item(Kind kind, String callId, String name) {
      this.kind = kind;
      this.id = Heading.newId(kind.prefix);
      this.callId = callId;
      this.name = name;
    }

    /** Writes its fields. */
    void write(JsonGenerator json) throws IOException {
      json.writeStringField("id", id);
      switch (kind) {
        case REASONING -> {
          json.writeStringField("type", "reasoning");
          json.writeArrayFieldStart("summary");
          json.writeEndArray();
          writeContent(json, "reasoning_text");
        }
        case MESSAGE -> {
          json.writeStringField("type", "message");
          json.writeStringField("role", "assistant");
          writeContent(json, "output_text");
        }
        case CALL -> {
          json.writeStringField("type", "function_call");
          json.writeStringField("call_id", callId);
          json.writeStringField("name", name);
          json.writeStringField("arguments", text.toString());
        }
      }
      json.writeStringField("status", isComplete ? "completed" : "in_progress");
    }

    private void writeContent(JsonGenerator json, String type) throws IOException {
      json.writeArrayFieldStart("content");
      if (isComplete) {
        json.writeStartObject();
        writePart(json, type, text.toString());
        json.writeEndObject();
      }
      json.writeEndArray();
    }

    static void writePart(JsonGenerator json, String type, String text) throws IOException {
      json.writeStringField("type", type);
      json.writeStringField("text", text);
      if (type.equals("output_text")) {
        json.writeArrayFieldStart("annotations");
        json.writeEndArray();
        json.writeArrayFieldStart("logprobs");
        json.writeEndArray();
      }
    }
  }

  private final Heading heading;
  private final boolean parallelCalls;
  private final List<Item> items = new ArrayList<>();
  private final Totals totals = new Totals();
  private FinishReason reason;

  ResponseItems(Service service, boolean parallelCalls) {
    heading = Heading.of("resp_", service);
    this.parallelCalls = parallelCalls;
  }

  List<Item> items() {
    return items;
  }

  /** Keeps what happened. */
  void keep(ChatEvent event) {
    switch (event) {
      case ChatEvent.Token token -> {
        count(token);
        token.deltas().forEach(this::add);
      }
      case ChatEvent.Finished end -> {
        end.deltas().forEach(this::add);
        end(end);
      }
      case ChatEvent.Failed _ -> throw new AssertionError("told before");
    }
  }

  /** Counts the tokens that are thoughts. */
  void count(ChatEvent.Token token) {
    if (token.deltas().stream().anyMatch(ChatDelta.Reasoning.class::isInstance)) {
      totals.thought();
    }
  }

  /** Nothing follows. */
  void end(ChatEvent.Finished end) {
    items.forEach(item -> item.isComplete = true);
    totals.add(0, end.usage());
    reason = end.reason();
  }

  /** The item that a piece belongs to, with the piece. */
  Item add(ChatDelta delta) {
    Item item =
        switch (delta) {
          case ChatDelta.Reasoning _ -> last(Kind.REASONING);
          case ChatDelta.Content _ -> last(Kind.MESSAGE);
          case ChatDelta.CallStart(int _, String id, String name) ->
              begin(new Item(Kind.CALL, id, name));
          case ChatDelta.CallArguments _ -> items.getLast();
        };
    item.text.append(text(delta));
    return item;
  }

  static String text(ChatDelta delta) {
    return switch (delta) {
      case ChatDelta.Reasoning(String text) -> text;
      case ChatDelta.Content(String text) -> text;
      case ChatDelta.CallStart _ -> "";
      case ChatDelta.CallArguments(int _, String text) -> text;
    };
  }

  private Item last(Kind kind) {
    return !items.isEmpty() && items.getLast().kind == kind
        ? items.getLast()
        : begin(new Item(kind, null, null));
  }

  private Item begin(Item item) {
    items.add(item);
    return item;
  }

  /** Whether the text was cut off. */
  boolean isCut() {
    return reason == FinishReason.LENGTH || reason == FinishReason.CONTEXT;
  }

  /** Writes the response. */
  void write(JsonGenerator json) throws IOException {
    json.writeStringField("id", heading.id());
    json.writeStringField("object", "response");
    json.writeNumberField("created_at", heading.created());
    json.writeStringField(
        "status", reason == null ? "in_progress" : isCut() ? "incomplete" : "completed");
    json.writeNullField("error");
    if (isCut()) {
      json.writeObjectFieldStart("incomplete_details");
      json.writeStringField("reason", "max_output_tokens");
      json.writeEndObject();
    } else {
      json.writeNullField("incomplete_details");
    }
    json.writeNullField("instructions");
    json.writeObjectFieldStart("metadata");
    json.writeEndObject();
    json.writeStringField("model", heading.model());
    json.writeArrayFieldStart("output");
    for (Item item : items) {
      json.writeStartObject();
      item.write(json);
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeBooleanField("parallel_tool_calls", parallelCalls);
    json.writeBooleanField("store", false);
    json.writeNullField("temperature");
    json.writeNullField("top_p");
    json.writeStringField("tool_choice", "auto");
    json.writeArrayFieldStart("tools");
    json.writeEndArray();
    if (reason != null) {
      totals.writeAsResponse(json);
    }
  }
}
