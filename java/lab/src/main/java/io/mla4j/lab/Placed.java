package io.mla4j.lab;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

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
    int[] all = new int[layers.size()];
    Arrays.fill(all, latent);
    write(all, out);
  }

  /** A layer with a latent of this width. */
  LatentLayer cut(int layer, int latent) {
    return layers.get(layer).cut(latent);
  }

  /** With a latent of its own width for each layer. */
  void write(int[] latents, Path out) {
    for (int latent : latents) {
      converter.check(plan.with(latent));
    }
    converter.write(
        IntStream.range(0, latents.length).mapToObj(l -> cut(l, latents[l])), plan.form(), out);
  }
}
