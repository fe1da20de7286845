package io.mla4j.lab;

import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A way to convert: where the rotation stays, and how errors are measured when a rank is cut. */
public enum Method {
  /** The laboratory's own, {@link FittedRope} with the output's metric. */
  FITTED,
  /** TransMLA: RoRoPE and balanced principal components. */
  TRANSMLA,
  /** CARE on RoRoPE: whitened by the inputs' covariance. */
  CARE,
  /** MHA2MLA: the pairs of the largest contribution, joint singular values of the weights. */
  MHA2MLA,
  /** Singular values of the weights, on RoRoPE. */
  SVD;

  /**
   * How a conversion by this method places the rotation.
   *
   * @param free whether the frequencies of the shared key may be any
   */
  Placing placing(Products products, Fitting fitting, boolean free) {
    return switch (this) {
      case FITTED -> new FittedRope(free, new MultiplierFit(products, fitting.rho(), free));
      case TRANSMLA, CARE, SVD -> new RoRope(fitting.fold());
      case MHA2MLA -> new PartialRope();
    };
  }

  Metric metric() {
    return switch (this) {
      case FITTED -> Metric.output();
      case TRANSMLA -> Metric.balanced();
      case CARE -> Metric.covariance();
      case MHA2MLA, SVD -> Metric.weights();
    };
  }

  /**
   * What the methods can be told.
   *
   * @param rho of {@link MultiplierFit}
   * @param fold FreqFold of {@link RoRope}
   */
  public record Fitting(double rho, int fold) {
    /** What was best on the model that comes along. */
    public static final Fitting DEFAULT = new Fitting(0.9, 1);
  }

  /** Its name on the command line. */
  public String optionName() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** All names. */
  public static String names() {
    return Stream.of(values()).map(Method::optionName).collect(Collectors.joining(", "));
  }

  /** The method of that name. */
  public static Method named(String name) {
    return Stream.of(values())
        .filter(method -> method.optionName().equals(name.toLowerCase(Locale.ROOT)))
        .findFirst()
        .orElseThrow(
            () -> new LabException("method is " + name + ", but must be one of " + names()));
  }
}
