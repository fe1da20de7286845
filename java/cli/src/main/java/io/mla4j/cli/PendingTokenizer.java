package io.mla4j.cli;

import io.mla4j.text.Tokenizer;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * A tokenizer that another thread opens while the model is opened: its library takes as long to
 * load as everything else together.
 */
final class PendingTokenizer implements AutoCloseable {
  private final CompletableFuture<Tokenizer> tokenizer;

  private PendingTokenizer(CompletableFuture<Tokenizer> tokenizer) {
    this.tokenizer = tokenizer;
  }

  static PendingTokenizer open(Path directory) {
    return new PendingTokenizer(
        CompletableFuture.supplyAsync(
            () -> Tokenizer.open(directory),
            task -> Thread.ofPlatform().daemon().name("mla4j-tokenizer").start(task)));
  }

  /** The tokenizer, once it is there; or the failure to open it. */
  Tokenizer get() {
    try {
      return tokenizer.join();
    } catch (CompletionException e) {
      switch (e.getCause()) {
        case RuntimeException cause -> throw cause;
        case Error cause -> throw cause;
        default -> throw e;
      }
    }
  }

  /** Closes the tokenizer now or, without waiting for it, as soon as it is there. */
  @Override
  public void close() {
    tokenizer.thenAccept(Tokenizer::close);
  }
}
