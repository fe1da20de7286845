package io.mla4j.position;

import io.mla4j.InvalidArgumentException;
import java.util.List;

/**
 * How the inverse frequencies of a rotary encoding are stretched beyond the context that a model
 * was trained on.
 *
 * <p>Without scaling {@code inv[i] = theta^(-2i/d)} for {@code i < d/2}, d being the rotated width.
 * Every step is rounded to float32 where Hugging Face transformers rounds it ({@code
 * modeling_rope_utils.py}), because at position 100,000 one unit in the last place of a frequency
 * is an angle of 0.006.
 */
public sealed interface RopeScaling {
  /**
   * The inverse frequencies.
   *
   * @param width rotated elements d, even, 0 or more
   * @param theta base of the frequencies
   * @param totalLength tokens of the sequence including the new ones; only {@link DynamicNtk} and
   *     {@link LongRope} look at it
   * @return {@code width / 2} new float32 numbers
   * @throws InvalidArgumentException where the scaling does not fit the width
   */
  float[] inverseFrequencies(int width, double theta, int totalLength);

  /** The factor on every cosine and sine. */
  default double attentionFactor() {
    return 1;
  }

  /** Whether the frequencies change with the length of the sequence. */
  default boolean dependsOnLength() {
    return false;
  }

  /** The encoding as it was trained: {@code inv[i] = theta^(-2i/d)}. */
  record Unscaled() implements RopeScaling {
    @Override
    public float[] inverseFrequencies(int width, double theta, int totalLength) {
      return Frequencies.inverse(width, theta);
    }
  }

  /** No rotation at all (NoPE): every frequency is 0, so cosines are 1 and sines 0. */
  record NoRotation() implements RopeScaling {
    @Override
    public float[] inverseFrequencies(int width, double theta, int totalLength) {
      return new float[width / 2];
    }
  }

  /**
   * A table: {@code inv[i]} is what it says, whatever theta is. Frequencies may repeat, in any
   * order.
   *
   * @param frequencies d/2 finite numbers, 0 or more, radians a position
   */
  record Table(List<Float> frequencies) implements RopeScaling {
    /** Checks the range above. */
    public Table {
      frequencies = List.copyOf(frequencies);
      for (float frequency : frequencies) {
        if (!(frequency >= 0) || frequency == Float.POSITIVE_INFINITY) {
          throw new InvalidArgumentException(
              "frequencies has " + frequency + ", but must be finite and not negative");
        }
      }
    }

    @Override
    public float[] inverseFrequencies(int width, double theta, int totalLength) {
      if (frequencies.size() != width / 2) {
        throw new InvalidArgumentException(
            "the table has "
                + frequencies.size()
                + " frequencies, but half of the rotated width is "
                + width / 2);
      }
      float[] inverse = new float[width / 2];
      for (int i = 0; i < inverse.length; i++) {
        inverse[i] = frequencies.get(i);
      }
      return inverse;
    }
  }

  /** Position interpolation: {@code inv[i] / factor} (Chen et al., 2023). */
  record Linear(double factor) implements RopeScaling {
    /** Checks that the factor is a finite positive number. */
    public Linear {
      Checks.positive("factor", factor);
    }

    @Override
    public float[] inverseFrequencies(int width, double theta, int totalLength) {
      float[] inverse = Frequencies.inverse(width, theta);
      for (int i = 0; i < inverse.length; i++) {
        inverse[i] /= (float) factor;
      }
      return inverse;
    }
  }

  /**
   * NTK-aware scaling with a fixed factor: {@code theta' = theta * factor^(d / (d - 2))}; d is at
   * least 4.
   */
  record Ntk(double factor) implements RopeScaling {
    /** Checks that the factor is a finite positive number. */
    public Ntk {
      Checks.positive("factor", factor);
    }

    @Override
    public float[] inverseFrequencies(int width, double theta, int totalLength) {
      Checks.ntkWidth(width);
      return Frequencies.inverse(width, theta * Math.pow(factor, width / (width - 2.0)));
    }
  }

  /**
   * NTK-aware scaling by the current length: {@code L = max(totalLength, maxPositions)}, {@code
   * theta' = theta * (factor L / maxPositions - (factor - 1))^(d / (d - 2))}; d is at least 4. Keys
   * that were rotated before a sequence grew keep their older base.
   *
   * @param maxPositions the model's {@code max_position_embeddings}
   */
  record DynamicNtk(double factor, int maxPositions) implements RopeScaling {
    /** Checks that both are positive. */
    public DynamicNtk {
      Checks.positive("factor", factor);
      Checks.positive("maxPositions", maxPositions);
    }

    @Override
    public float[] inverseFrequencies(int width, double theta, int totalLength) {
      Checks.ntkWidth(width);
      if (totalLength <= maxPositions) {
        return Frequencies.inverse(width, theta);
      }
      // float32 throughout, as the reference computes it from a tensor that holds the length
      float stretch = (float) factor * totalLength / maxPositions - (float) (factor - 1);
      float grown = (float) Math.pow(stretch, (float) (width / (width - 2.0)));
      return Frequencies.inverse(width, (float) theta * grown);
    }

    @Override
    public boolean dependsOnLength() {
      return true;
    }
  }

  /**
   * YaRN (Peng et al., 2023) as DeepSeek uses it: high frequencies stay, low ones are divided by
   * the factor, those between are mixed.
   *
   * <p>{@code corr(r) = d ln(L0 / (2 pi r)) / (2 ln theta)}; {@code low = max(floor corr(betaFast),
   * 0)}, {@code high = min(ceil corr(betaSlow), d - 1)}, {@code high += 0.001} where both are
   * equal; {@code ramp[i] = clamp((i - low) / (high - low), 0, 1)}; {@code inv'[i] = inv[i] (1 -
   * ramp[i]) + inv[i] / factor * ramp[i]}.
   *
   * @param originalContext L0, the context before scaling
   * @param betaFast rotations over L0 above which a frequency stays
   * @param betaSlow rotations over L0 below which a frequency is divided
   * @param truncate whether low and high are rounded to whole dimensions
   * @param attentionFactor the factor on cosines and sines; {@link #attentionFactor(double, double,
   *     double)} has DeepSeek's rule
   */
  record Yarn(
      double factor,
      int originalContext,
      double betaFast,
      double betaSlow,
      boolean truncate,
      double attentionFactor)
      implements RopeScaling {
    /** Checks that every number is finite and positive. */
    public Yarn {
      Checks.positive("factor", factor);
      Checks.positive("originalContext", originalContext);
      Checks.positive("betaFast", betaFast);
      Checks.positive("betaSlow", betaSlow);
      Checks.positive("attentionFactor", attentionFactor);
    }

    /** {@code m(s, k) = 0.1 k ln s + 1}, or 1 where {@code s <= 1}. */
    public static double mscale(double factor, double mscale) {
      return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
    }

    /**
     * {@code m(factor, mscale) / m(factor, mscaleAllDim)}, or {@code m(factor, 1)} where either is
     * 0.
     *
     * @param mscale 0 where a configuration has none
     * @param mscaleAllDim 0 where a configuration has none
     */
    public static double attentionFactor(double factor, double mscale, double mscaleAllDim) {
      return mscale != 0 && mscaleAllDim != 0
          ? mscale(factor, mscale) / mscale(factor, mscaleAllDim)
          : mscale(factor, 1);
    }

    @Override
    public float[] inverseFrequencies(int width, double theta, int totalLength) {
      double low = correction(betaFast, width, theta);
      double high = correction(betaSlow, width, theta);
      if (truncate) {
        low = Math.floor(low);
        high = Math.ceil(high);
      }
      low = Math.max(low, 0);
      high = Math.min(high, width - 1);
      if (low == high) {
        high += 0.001;
      }
      float[] inverse = new float[width / 2];
      for (int i = 0; i < inverse.length; i++) {
        float power = Frequencies.power(theta, i, width);
        float ramp = Math.clamp((i - (float) low) / (float) (high - low), 0f, 1f);
        float kept = 1 - ramp;
        float interpolated = 1 / ((float) factor * power);
        inverse[i] = interpolated * (1 - kept) + 1 / power * kept;
      }
      return inverse;
    }

    private double correction(double rotations, int width, double theta) {
      return width * Math.log(originalContext / (rotations * 2 * Math.PI)) / (2 * Math.log(theta));
    }
  }

  /**
   * LongRoPE (Ding et al., 2024): {@code inv[i] = 1 / (e[i] theta^(2i/d))}, e being the long
   * factors where the sequence is longer than the original context, else the short ones.
   *
   * @param shortFactors d/2 positive numbers
   * @param longFactors d/2 positive numbers
   * @param originalContext L0, the context before scaling
   * @param attentionFactor the factor on cosines and sines; {@link #attentionFactor(double, int)}
   *     has the default
   */
  record LongRope(
      List<Double> shortFactors,
      List<Double> longFactors,
      int originalContext,
      double attentionFactor)
      implements RopeScaling {
    /** Checks that every number is finite and positive. */
    public LongRope {
      shortFactors = List.copyOf(shortFactors);
      longFactors = List.copyOf(longFactors);
      shortFactors.forEach(factor -> Checks.positive("shortFactors", factor));
      longFactors.forEach(factor -> Checks.positive("longFactors", factor));
      Checks.positive("originalContext", originalContext);
      Checks.positive("attentionFactor", attentionFactor);
    }

    /** {@code sqrt(1 + ln f / ln L0)}, or 1 where {@code f <= 1}. */
    public static double attentionFactor(double factor, int originalContext) {
      return factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalContext));
    }

    @Override
    public float[] inverseFrequencies(int width, double theta, int totalLength) {
      List<Double> factors = totalLength > originalContext ? longFactors : shortFactors;
      if (factors.size() != width / 2) {
        throw new InvalidArgumentException(
            "longrope has "
                + factors.size()
                + " factors, but half of the rotated width is "
                + width / 2);
      }
      float[] inverse = new float[width / 2];
      for (int i = 0; i < inverse.length; i++) {
        inverse[i] = 1 / (factors.get(i).floatValue() * Frequencies.power(theta, i, width));
      }
      return inverse;
    }

    @Override
    public boolean dependsOnLength() {
      return !shortFactors.equals(longFactors);
    }
  }

  /**
   * Llama 3.1's scaling. With the wavelength {@code w = 2 pi / inv[i]}: {@code inv[i] / factor}
   * where {@code w > L0 / lowFrequencyFactor}; {@code inv[i]} where {@code w < L0 /
   * highFrequencyFactor}; else with {@code t = (L0 / w - low) / (high - low)} the mixture {@code (1
   * - t) inv[i] / factor + t inv[i]}.
   *
   * @param originalContext L0, the context before scaling
   */
  record Llama3(
      double factor, double lowFrequencyFactor, double highFrequencyFactor, int originalContext)
      implements RopeScaling {
    /**
     * Checks that every number is finite and positive and that the two frequency factors differ.
     */
    public Llama3 {
      Checks.positive("factor", factor);
      Checks.positive("lowFrequencyFactor", lowFrequencyFactor);
      Checks.positive("highFrequencyFactor", highFrequencyFactor);
      Checks.positive("originalContext", originalContext);
      if (highFrequencyFactor <= lowFrequencyFactor) {
        throw new InvalidArgumentException(
            "highFrequencyFactor is "
                + highFrequencyFactor
                + ", but must be above lowFrequencyFactor, "
                + lowFrequencyFactor);
      }
    }

    @Override
    public float[] inverseFrequencies(int width, double theta, int totalLength) {
      float longWave = (float) (originalContext / lowFrequencyFactor);
      float shortWave = (float) (originalContext / highFrequencyFactor);
      float[] inverse = Frequencies.inverse(width, theta);
      for (int i = 0; i < inverse.length; i++) {
        float wave = (float) (2 * Math.PI) / inverse[i];
        if (wave > longWave) {
          inverse[i] /= (float) factor;
        } else if (wave >= shortWave) {
          float smooth =
              (originalContext / wave - (float) lowFrequencyFactor)
                  / (float) (highFrequencyFactor - lowFrequencyFactor);
          inverse[i] = (1 - smooth) * inverse[i] / (float) factor + smooth * inverse[i];
        }
      }
      return inverse;
    }
  }
}
