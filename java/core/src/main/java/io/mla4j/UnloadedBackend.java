package io.mla4j;

import io.mla4j.spi.Backend;
import java.util.List;
import java.util.Optional;

/**
 * A backend whose class did not load: it works nowhere, and says why. It counts as the best, so
 * that it is named as passed over.
 */
record UnloadedBackend(Throwable failure) implements Backend {
  @Override
  public String name() {
    return "(not loaded)";
  }

  @Override
  public int rank() {
    return Integer.MAX_VALUE;
  }

  @Override
  public Probe probe() {
    return new Probe(
        false, Backends.describe(failure), List.of(), Optional.empty(), Optional.empty());
  }

  @Override
  public Device open(Options options) {
    throw new BackendException("a backend did not load: " + Backends.describe(failure), failure);
  }
}
