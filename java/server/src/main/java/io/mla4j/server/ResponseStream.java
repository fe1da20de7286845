package io.mla4j.server;

import com.fasterxml.jackson.core.JsonGenerator;
import io.mla4j.engine.chat.ChatDelta;
import io.mla4j.engine.chat.ChatEvent;
import io.mla4j.server.ResponseItems.Item;
import io.mla4j.server.ResponseItems.Kind;
import java.io.IOException;

/** A response as events with names and numbers. Belongs to one thread. */
final class ResponseStream implements Reply {
  private final ResponseItems items;
  private final EventStream out;
  private int number;

  /** The item that pieces are sent of; null before the first. */
  private Item open;

  ResponseStream(ResponseItems items, EventStream out) {
    this.items = items;
    this.out = out;
  }

  /** Tells that there is a response. */
  void begin() throws IOException {
    whole("response.created");
    whole("response.in_progress");
    out.flush();
  }

  private void whole(String type) throws IOException {
    send(
        type,
        json -> {
          json.writeObjectFieldStart("response");
          items.write(json);
          json.writeEndObject();
        });
  }

  private void send(String type, JsonOut.Content content) throws IOException {
    out.send(
        type,
        json -> {
          json.writeStringField("type", type);
          json.writeNumberField("sequence_number", number++);
          content.write(json);
        });
  }

  /** Sends what happened. */
  void take(ChatEvent event) throws IOException {
    switch (event) {
      case ChatEvent.Token token -> {
        for (ChatDelta delta : token.deltas()) {
          take(delta);
        }
        items.count(token);
      }
      case ChatEvent.Finished end -> {
        for (ChatDelta delta : end.deltas()) {
          take(delta);
        }
        items.end(end);
        close();
      }
      case ChatEvent.Failed _ -> throw new AssertionError("told before");
    }
  }

  private void take(ChatDelta delta) throws IOException {
    Item item = items.add(delta);
    if (item != open) {
      close();
      open(item);
    }
    String text = ResponseItems.text(delta);
    if (!text.isEmpty()) {
      part(
          switch (item.kind) {
            case REASONING -> "response.reasoning_text.delta";
            case MESSAGE -> "response.output_text.delta";
            case CALL -> "response.function_call_arguments.delta";
          },
          json -> {
            json.writeStringField("delta", text);
            if (item.kind == Kind.MESSAGE) {
              json.writeArrayFieldStart("logprobs");
              json.writeEndArray();
            }
          });
    }
  }

  private void open(Item item) throws IOException {
    open = item;
    item("response.output_item.added");
    if (item.kind != Kind.CALL) {
      part("response.content_part.added", json -> writePart(json, ""));
    }
  }

  /** Ends the item that is open. */
  private void close() throws IOException {
    if (open == null) {
      return;
    }
    Item item = open;
    String text = item.text.toString();
    switch (item.kind) {
      case REASONING ->
          part("response.reasoning_text.done", json -> json.writeStringField("text", text));
      case MESSAGE ->
          part(
              "response.output_text.done",
              json -> {
                json.writeStringField("text", text);
                json.writeArrayFieldStart("logprobs");
                json.writeEndArray();
              });
      case CALL ->
          part(
              "response.function_call_arguments.done",
              json -> {
                json.writeStringField("name", item.name);
                json.writeStringField("arguments", text);
              });
    }
    if (item.kind != Kind.CALL) {
      part("response.content_part.done", json -> writePart(json, text));
    }
    item.isComplete = true;
    item("response.output_item.done");
    open = null;
  }

  private void writePart(JsonGenerator json, String text) throws IOException {
    json.writeObjectFieldStart("part");
    Item.writePart(json, open.kind == Kind.MESSAGE ? "output_text" : "reasoning_text", text);
    json.writeEndObject();
  }

  private void item(String type) throws IOException {
    send(
        type,
        json -> {
          json.writeNumberField("output_index", items.items().indexOf(open));
          json.writeObjectFieldStart("item");
          open.write(json);
          json.writeEndObject();
        });
  }

  private void part(String type, JsonOut.Content content) throws IOException {
    send(
        type,
        json -> {
          json.writeStringField("item_id", open.id);
          json.writeNumberField("output_index", items.items().indexOf(open));
          if (open.kind != Kind.CALL) {
            json.writeNumberField("content_index", 0);
          }
          content.write(json);
        });
  }

  /** The last event. */
  void finish() throws IOException {
    whole(items.isCut() ? "response.incomplete" : "response.completed");
    out.finish();
  }

  @Override
  public void idle() throws IOException {
    out.idle();
  }

  @Override
  public void fail(ApiException e) throws IOException {
    out.fail(e);
  }
}
