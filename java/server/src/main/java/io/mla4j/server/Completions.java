package io.mla4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.engine.Event;
import io.mla4j.engine.FinishReason;
import io.mla4j.engine.Request;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** {@code POST /completions}: texts that continue prompts as they are. */
final class Completions {
  /** How long a reader waits before it sends a sign of life. */
  static final Duration POLL = Duration.ofMillis(250);

  private static final int USUAL_TOKENS = 16;
  private static final int MOST_LOGPROBS = 20;

  private Completions() {}

  static void answer(Call call) throws IOException, InterruptedException {
    Fields body = call.body();
    Service service = call.service();
    service.requireModel(body);
    Asked asked = Asked.read(call, body, USUAL_TOKENS, "max_tokens", "max_completion_tokens");
    if (!body.text("suffix", "").isEmpty()) {
      throw ApiException.field("suffix", "suffix is there, but texts are only continued");
    }
    body.integer("best_of", asked.n(), asked.n(), asked.n());
    int logprobs = body.integer("logprobs", 0, MOST_LOGPROBS, -1);
    boolean echo = body.flag("echo", false);
    if (echo && logprobs >= 0) {
      throw ApiException.field(
          "logprobs", "logprobs is there, but a prompt that is echoed has none");
    }
    List<int[]> prompts = prompts(body, service);
    List<Request> requests = new ArrayList<>();
    for (int[] prompt : prompts) {
      asked.bound(service, "prompt", prompt.length);
      requests.add(asked.request().prompt(prompt).logprobs(logprobs).build());
    }
    CompletionTexts texts = new CompletionTexts(service, asked, prompts.size(), logprobs >= 0);
    if (echo) {
      for (int i = 0; i < prompts.size(); i++) {
        texts.echo(i, service.engine().model().tokenizer().decode(prompts.get(i), true));
      }
    }
    try (Merged answers = Merged.submit(service.engine(), requests)) {
      if (asked.stream()) {
        stream(answers, texts, EventStream.begin(call, true));
      } else {
        whole(answers, texts, new WholeReply(call));
      }
    }
  }

  private static void stream(Merged answers, CompletionTexts texts, EventStream out)
      throws IOException, InterruptedException {
    texts.sendEchoes(out);
    while (!answers.isRead()) {
      Merged.Item item = answers.poll(POLL);
      for (; item != null; item = answers.poll(Duration.ZERO)) {
        if (failed(item.event(), out)) {
          return;
        }
        texts.send(item, out);
      }
      out.idle();
    }
    texts.sendUsage(out);
    out.finish();
  }

  private static void whole(Merged answers, CompletionTexts texts, WholeReply out)
      throws IOException, InterruptedException {
    while (!answers.isRead()) {
      Merged.Item item = answers.poll(POLL);
      if (item != null) {
        if (failed(item.event(), out)) {
          return;
        }
        texts.keep(item);
      }
      out.idle();
    }
    out.finish(texts::write);
  }

  /** Whether a text failed; then the client was told. */
  private static boolean failed(Event event, Reply out) throws IOException {
    ApiException why =
        switch (event) {
          case Event.Failed(int _, var error) -> Router.refusal(error);
          case Event.Finished(int _, FinishReason reason, String _, var _) ->
              stopped(reason) ? stopping() : null;
          default -> null;
        };
    if (why != null) {
      out.fail(why);
    }
    return why != null;
  }

  /** Whether a text ended since the engine was closed: who is read is not cancelled otherwise. */
  static boolean stopped(FinishReason reason) {
    return reason == FinishReason.CANCELLED;
  }

  static ApiException stopping() {
    return ApiException.of(503, null, "the server was stopped");
  }

  /** Why a text ended, in OpenAI's words. */
  static String reason(FinishReason reason) {
    return reason == FinishReason.STOP ? "stop" : "length";
  }

  /** A text, ids, or several of either. */
  private static List<int[]> prompts(Fields body, Service service) {
    JsonNode prompt = body.any("prompt");
    if (prompt == null) {
      throw body.missing("prompt");
    }
    List<int[]> all = new ArrayList<>();
    if (prompt.isArray() && !prompt.isEmpty() && prompt.get(0).isNumber()) {
      all.add(prompt("prompt", prompt, body, service));
    } else if (prompt.isArray()) {
      body.requireArray("prompt", prompt, service.limits().prompts());
      for (int i = 0; i < prompt.size(); i++) {
        all.add(prompt("prompt[" + i + "]", prompt.get(i), body, service));
      }
    } else {
      all.add(prompt("prompt", prompt, body, service));
    }
    if (all.isEmpty() || all.stream().anyMatch(ids -> ids.length == 0)) {
      throw ApiException.field("prompt", "prompt has no tokens");
    }
    return all;
  }

  private static int[] prompt(String name, JsonNode value, Fields body, Service service) {
    if (value.isArray()) {
      return body.ids(name, value, service.engine().model().vocabulary());
    }
    body.require(value.isTextual(), name, value, "a string or an array of token ids");
    service.requireRoom(name, List.of(value.textValue()));
    return service.engine().model().tokenizer().encode(value.textValue(), true);
  }
}
