package io.mla4j.server;

import io.mla4j.engine.chat.ChatAnswer;
import io.mla4j.engine.chat.ChatEvent;
import io.mla4j.engine.chat.ChatRequest;
import java.io.IOException;
import java.time.Duration;

/** {@code POST /chat/completions}: answers to a conversation. */
final class ChatCompletions {
  private static final int MOST_LOGPROBS = 20;

  private ChatCompletions() {}

  static void answer(Call call) throws IOException, InterruptedException {
    Fields body = call.body();
    Service service = call.service();
    service.requireModel(body);
    ChatRequest chat = ChatBody.read(body, service.limits());
    Asked asked = Asked.read(call, body, 0, "max_completion_tokens", "max_tokens");
    boolean logprobs = body.flag("logprobs", false);
    int top = body.integer("top_logprobs", 0, MOST_LOGPROBS, 0);
    if (top > 0 && !logprobs) {
      throw ApiException.field("top_logprobs", "top_logprobs is there, but logprobs is not true");
    }
    asked.request().logprobs(logprobs ? top : -1);
    ChatTexts texts = new ChatTexts(service, asked, logprobs);
    try (Conversation answer = Conversation.submit(service, chat, asked, "messages")) {
      if (asked.stream()) {
        EventStream out = EventStream.begin(call, true);
        texts.sendRoles(out);
        if (answer.read(out, event -> texts.send(event, out))) {
          texts.sendUsage(out);
          out.finish();
        }
      } else {
        WholeReply out = new WholeReply(call);
        if (answer.read(out, texts::keep)) {
          out.finish(texts::write);
        }
      }
    }
  }

  /** A conversation's answer. Closing it cancels what has not ended. */
  record Conversation(ChatAnswer answer) implements AutoCloseable {
    /** Takes what happened. */
    @FunctionalInterface
    interface Taker {
      /** Takes it. */
      void take(ChatEvent event) throws IOException;
    }

    /**
     * Makes a prompt of a conversation and submits it.
     *
     * @param field where the conversation came from
     */
    static Conversation submit(Service service, ChatRequest chat, Asked asked, String field) {
      return new Conversation(service.submit(chat, asked, field));
    }

    /**
     * Hands events on until the last one.
     *
     * @return false where a text failed; then the client was told
     */
    boolean read(Reply out, Taker taker) throws IOException, InterruptedException {
      while (!answer.isRead()) {
        ChatEvent event = answer.poll(Completions.POLL);
        for (; event != null; event = answer.poll(Duration.ZERO)) {
          ApiException why = failure(event);
          if (why != null) {
            out.fail(why);
            return false;
          }
          taker.take(event);
        }
        out.idle();
      }
      return true;
    }

    private static ApiException failure(ChatEvent event) {
      return switch (event) {
        case ChatEvent.Failed failed -> Router.refusal(failed.error());
        case ChatEvent.Finished end when Completions.stopped(end.reason()) ->
            Completions.stopping();
        default -> null;
      };
    }

    @Override
    public void close() {
      answer.cancel();
    }
  }
}
