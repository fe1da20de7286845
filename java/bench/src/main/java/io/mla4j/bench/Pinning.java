package io.mla4j.bench;

import io.mla4j.cpu.Affinity;
import io.mla4j.cpu.Workers;
import java.util.BitSet;

/** Pins threads to processors, on Linux, until it is closed. */
final class Pinning implements AutoCloseable {
  private final Affinity affinity;
  private final int caller;
  private final BitSet allowed;

  /**
   * For the calling thread and those that take part with it.
   *
   * @throws BenchException where the system has no such functions
   */
  Pinning() {
    affinity =
        Affinity.ofSystem()
            .orElseThrow(() -> new BenchException("--pin is not possible on this system"));
    caller = affinity.thread();
    allowed = affinity.processors(caller);
  }

  /**
   * Pins worker i to the i-th processor that the caller may use. Call it when all threads that are
   * to run have been started: a thread inherits the processors of the one that starts it.
   *
   * @throws BenchException where there are too few processors or the system refuses
   */
  void pin(Workers workers) {
    int[] processors = allowed.stream().toArray();
    int most = Math.min(processors.length, workers.parallelism());
    if (most < workers.threads()) {
      throw new BenchException(
          "--pin needs a processor for each thread, but "
              + workers.threads()
              + " threads have "
              + most);
    }
    // Worker 0 is the caller; which helper takes which of the other tiles does not matter.
    Together.run(workers, tile -> pinThisThread(processors[tile]));
  }

  private void pinThisThread(int processor) {
    BitSet one = new BitSet();
    one.set(processor);
    if (!affinity.setProcessors(affinity.thread(), one)) {
      throw new BenchException("the system does not pin a thread to processor " + processor);
    }
  }

  /** Lets the caller run wherever it might before. */
  @Override
  public void close() {
    affinity.setProcessors(caller, allowed);
  }
}
