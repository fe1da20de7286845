package io.mla4j.lab;

import java.nio.file.Path;
import java.util.List;

/** A model whose rotation is placed: conversions with latents of any width follow. */
public final class Placed {
  private final Converter converter;
  private final Converter.Plan plan;
  private final List<Layer> layers;

  /** A layer: its statistics, where its rotation stays, and the rest sorted by what it is worth. */
  record Layer(Moments moments, Placement placement, Factors factors) {
    LatentLayer cut(int rank) {
      return LatentLayer.of(moments, placement, factors, rank);
    }
  }

  Placed(Converter converter, Converter.Plan plan, List<Layer> layers) {
    this.converter = converter;
    this.plan = plan;
    this.layers = layers;
  }

  /**
   * For each layer the squared singular values of what is cached without rotation, in the method's
   * metric, falling: what a latent of r numbers loses is the sum of those behind the first r.
   */
  public List<double[]> spectra() {
    return layers.stream().map(layer -> layer.factors().worth().clone()).toList();
  }

  /** As {@link Converter#write} with a latent of this width. */
  public void write(int latent, Path out) {
    converter.check(plan.with(latent));
    converter.write(layers.stream().map(layer -> layer.cut(latent)), plan.form(), out);
  }
}
