package io.mla4j.bench;

import java.util.Locale;

/**
 * What guessed tokens gained.
 *
 * @param plain tokens per second without guesses
 * @param guessing tokens per second with them
 * @param ratios of the tokens per second of each text, the smallest first
 * @param acceptedPerPass guesses that were right, in a pass
 */
public record Gain(double plain, double guessing, double[] ratios, double acceptedPerPass) {
  /** In words; {@code each} is what a text is called. */
  public String by(String each) {
    return String.format(
        Locale.ROOT,
        "plain %.1f tokens/s, guessing %.1f: %.2f times;"
            + " by %s: worst %.2f, median %.2f, best %.2f; %.2f accepted a pass",
        plain,
        guessing,
        guessing / plain,
        each,
        ratios[0],
        Statistics.median(ratios),
        ratios[ratios.length - 1],
        acceptedPerPass);
  }
}
