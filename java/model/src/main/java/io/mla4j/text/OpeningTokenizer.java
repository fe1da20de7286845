package io.mla4j.text;

import io.mla4j.InvalidArgumentException;
import io.mla4j.checkpoint.CheckpointException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * A tokenizer that another thread opens, since its library takes as long to load as the rest of a
 * model. Thread-safe.
 */
final class OpeningTokenizer implements AutoCloseable {
  private final CompletableFuture<Tokenizer> future;

  private OpeningTokenizer(CompletableFuture<Tokenizer> future) {
    this.future = future;
  }

  /** Begins to open that of {@code model}. */
  static OpeningTokenizer of(Path model) {
    return new OpeningTokenizer(
        CompletableFuture.supplyAsync(
            () -> Tokenizer.open(model),
            task -> Thread.ofPlatform().daemon().name("mla4j-tokenizer").start(task)));
  }

  /** None, which whoever asks for it is told. */
  static OpeningTokenizer none() {
    return new OpeningTokenizer(
        CompletableFuture.failedFuture(
            new InvalidArgumentException("the model was opened without its tokenizer")));
  }

  /** Waits for it: false where its files are not as they should be. */
  boolean isUsable() {
    try {
      future.join();
      return true;
    } catch (CompletionException e) {
      if (e.getCause() instanceof CheckpointException) {
        return false;
      }
      throw e;
    }
  }

  /** Why its files are not as they should be, once that is known. */
  Optional<String> problem() {
    return !future.isCompletedExceptionally()
        ? Optional.empty()
        : Optional.of(future.exceptionNow())
            .filter(CheckpointException.class::isInstance)
            .map(Throwable::getMessage);
  }

  /** Waits for it, or throws why it is not there. */
  Tokenizer get() {
    try {
      return future.join();
    } catch (CompletionException e) {
      switch (e.getCause()) {
        case RuntimeException cause -> throw cause;
        case Error cause -> throw cause;
        case null, default -> throw e;
      }
    }
  }

  /** Closes it once it is there. */
  @Override
  public void close() {
    future.thenAccept(Tokenizer::close);
  }
}
