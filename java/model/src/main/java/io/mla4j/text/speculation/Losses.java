package io.mla4j.text.speculation;

/**
 * Pauses guessing, each time twice as long, as soon as it has lost the time of a token: so what
 * cannot be guessed is written hardly slower than without. Belongs to one thread at a time.
 */
public final class Losses {
  /** A plain pass comes at least this often: its time changes as the text grows. */
  private static final int PLAIN_EVERY = 64;

  /** What may be lost before a pause, in plain passes. */
  private static final double LOSS = 0.7;

  /** What was gained before counts against a loss up to this. */
  private static final double GAIN = 6;

  private static final int SHORTEST_PAUSE = 64;
  private static final int LONGEST_PAUSE = 2048;

  private int sincePlain;
  private double balance;
  private int pause = SHORTEST_PAUSE;
  private int paused;

  /** Whether guesses have lost time, so that for some passes there are none. */
  public boolean isPaused() {
    return paused > 0;
  }

  /** Whether the next pass should have no guesses, so that its time is known. */
  public boolean wantsPlain() {
    return sincePlain >= PLAIN_EVERY;
  }

  /** A pass was run, with guesses or without. */
  public void ran(boolean plain) {
    sincePlain = plain ? 0 : sincePlain + 1;
    if (plain) {
      paused = Math.max(0, paused - 1);
    }
  }

  /** A pass with guesses gave so much more than it took, in plain passes. */
  public void gained(double passes) {
    balance = Math.min(GAIN, balance + passes);
    if (balance < -LOSS) {
      paused = pause;
      pause = Math.min(LONGEST_PAUSE, 2 * pause);
      balance = 0;
    } else if (balance > GAIN / 2) {
      pause = SHORTEST_PAUSE;
    }
  }
}
