package io.mla4j.text.speculation;

/**
 * What guessing may lose: a credit in plain passes. It grows by a share of each pass and by what
 * guessing gained, and a pass whose guesses would take more than it, were all of them wrong, has
 * none. So what cannot be guessed is written hardly slower than without, trials included. Belongs
 * to one thread at a time.
 */
public final class Losses {
  /** A plain pass comes at least this often: its time changes as the text grows. */
  private static final int PLAIN_EVERY = 64;

  /** At the beginning of a text. */
  private static final double START = 0.7;

  /** Of each pass; where guessing loses again and again, half as much each time. */
  private static final double SHARE = 0.015;

  private static final double LEAST_SHARE = SHARE / 8;

  /** With less than this, losses count as such. */
  private static final double LITTLE = 0.3;

  /** What was gained before counts up to this. */
  private static final double MOST = 6;

  private int sincePlain;
  private double credit = START;
  private double share = SHARE;

  /** Whether so much may be lost, in plain passes. */
  public boolean affords(double passes) {
    return passes <= credit;
  }

  /** Whether the next pass should have no guesses, so that its time is known. */
  public boolean wantsPlain() {
    return sincePlain >= PLAIN_EVERY;
  }

  /** A pass was run, with guesses or without. */
  public void ran(boolean plain) {
    sincePlain = plain ? 0 : sincePlain + 1;
    credit = Math.min(MOST, credit + share);
  }

  /** A pass with guesses gave so much more than it took, in plain passes. */
  public void gained(double passes) {
    credit = Math.min(MOST, credit + passes);
    if (passes < 0 && credit < LITTLE) {
      share = Math.max(LEAST_SHARE, share / 2);
    } else if (credit > MOST / 2) {
      share = SHARE;
    }
  }
}
