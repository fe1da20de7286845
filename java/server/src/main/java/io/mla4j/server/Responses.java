package io.mla4j.server;

import io.mla4j.engine.chat.ChatRequest;
import java.io.IOException;

/** {@code POST /responses}: a conversation in the words of OpenAI's newer interface. */
final class Responses {
  private Responses() {}

  static void answer(Call call) throws IOException, InterruptedException {
    Fields body = call.body();
    Service service = call.service();
    service.requireModel(body);
    ChatRequest chat = ResponseInput.read(body, service.limits());
    Asked asked = Asked.read(call, body, 0, "max_output_tokens");
    if (asked.n() != 1) {
      throw ApiException.field("n", "n is " + asked.n() + ", but a response has one text");
    }
    ResponseItems items = new ResponseItems(service, chat.parallelCalls());
    try (ChatCompletions.Conversation answer =
        ChatCompletions.Conversation.submit(service, chat, asked, "input")) {
      if (asked.stream()) {
        ResponseStream stream = new ResponseStream(items, EventStream.begin(call, false));
        stream.begin();
        if (answer.read(stream, stream::take)) {
          stream.finish();
        }
      } else {
        WholeReply out = new WholeReply(call);
        if (answer.read(out, items::keep)) {
          out.finish(items::write);
        }
      }
    }
  }
}
