package io.mla4j.lab;

import java.util.List;

/**
 * What a text says about every layer of a model, kept so that many conversions can be tried on it:
 * for each layer the second moments of its inputs, its matrices and some windows of its queries and
 * keys. Valid until its converter is closed; belongs to one thread.
 */
public final class Calibrated {
  private final Converter converter;
  private final List<Moments> layers;

  Calibrated(Converter converter, List<Moments> layers) {
    this.converter = converter;
    this.layers = List.copyOf(layers);
  }

  /**
   * Places the rotation of every layer, and sorts what is not rotated by what it is worth: what all
   * conversions that differ in their latent alone have in common.
   *
   * @param plan its latent does not matter
   * @throws LabException where no conversion of this model can be like that
   */
  public Placed place(Converter.Plan plan) {
    converter.check(plan.with(1));
    return new Placed(
        converter, plan, layers.stream().map(moments -> converter.place(plan, moments)).toList());
  }
}
