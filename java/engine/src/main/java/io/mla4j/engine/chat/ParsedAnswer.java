package io.mla4j.engine.chat;

import io.mla4j.engine.Answer;
import io.mla4j.engine.Event;
import io.mla4j.engine.Result;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import org.jspecify.annotations.Nullable;

/** An answer whose texts are parsed as they are read. */
final class ParsedAnswer implements ChatAnswer {
  private final ChatCodec codec;
  private final Prompt prompt;
  private final Answer answer;

  /** By choice; of the reader. */
  private final Map<Integer, ChatParser> parsers = new HashMap<>();

  ParsedAnswer(ChatCodec codec, Prompt prompt, Answer answer) {
    this.codec = codec;
    this.prompt = prompt;
    this.answer = answer;
  }

  @Override
  public Prompt prompt() {
    return prompt;
  }

  @Override
  public @Nullable ChatEvent next() throws InterruptedException {
    Event event = answer.next();
    return event == null ? null : parsed(event);
  }

  @Override
  public @Nullable ChatEvent poll(Duration most) throws InterruptedException {
    Event event = answer.poll(most);
    return event == null ? null : parsed(event);
  }

  @Override
  public boolean isRead() {
    return answer.isRead();
  }

  @Override
  public Flow.Publisher<ChatEvent> publisher() {
    return subscriber ->
        answer
            .publisher()
            .subscribe(
                new Flow.Subscriber<>() {
                  @Override
                  public void onSubscribe(Flow.Subscription subscription) {
                    subscriber.onSubscribe(subscription);
                  }

                  @Override
                  public void onNext(Event event) {
                    subscriber.onNext(parsed(event));
                  }

                  @Override
                  public void onError(Throwable problem) {
                    subscriber.onError(problem);
                  }

                  @Override
                  public void onComplete() {
                    subscriber.onComplete();
                  }
                });
  }

  @Override
  public CompletableFuture<List<ChatEvent.Finished>> result() {
    CompletableFuture<Result> whole = answer.result();
    CompletableFuture<List<ChatEvent.Finished>> result = whole.thenApply(this::parsed);
    result.whenComplete(
        (_, _) -> {
          if (result.isCancelled()) {
            answer.cancel();
          }
        });
    return result;
  }

  @Override
  public void cancel() {
    answer.cancel();
  }

  private ChatEvent parsed(Event event) {
    int choice = event.choice();
    ChatParser parser = parsers.computeIfAbsent(choice, _ -> codec.parser(prompt, choice));
    return switch (event) {
      case Event.Token token -> new ChatEvent.Token(choice, token, parser.next(token.text()));
      case Event.Finished end -> {
        List<ChatDelta> last = parser.finish();
        yield new ChatEvent.Finished(
            choice, last, parser.message(), end.reason(), end.stopText(), end.usage());
      }
      case Event.Failed failed -> new ChatEvent.Failed(choice, failed.error());
    };
  }

  private List<ChatEvent.Finished> parsed(Result result) {
    List<ChatEvent.Finished> all = new ArrayList<>();
    for (Result.Choice choice : result.choices()) {
      ChatParser parser = codec.parser(prompt, all.size());
      parser.next(choice.text());
      parser.finish();
      all.add(
          new ChatEvent.Finished(
              all.size(),
              List.of(),
              parser.message(),
              choice.reason(),
              choice.stopText(),
              choice.usage()));
    }
    return all;
  }
}
