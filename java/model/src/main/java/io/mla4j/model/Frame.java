package io.mla4j.model;

import io.mla4j.MlaShape;
import io.mla4j.checkpoint.AttentionDescription;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.ops.AttentionScore;
import io.mla4j.ops.Mirror;
import io.mla4j.ops.Ops.Projection;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.Tensor;
import io.mla4j.ops.StorageFormat;
import io.mla4j.position.RopeEncoding;
import java.util.List;

/**
 * The activations of a step of n tokens and what the operations of each layer take of them: made
 * once for every n, so that a decode loop makes no garbage.
 *
 * @param ids (n) I32, written by Java
 * @param x (n, hidden), the residual stream
 * @param h (n, hidden), normed, and the result of an attention
 * @param ffn (n, hidden), the result of a feed-forward network
 * @param angles for each rotary encoding of the model what Java writes of its rotation
 * @param rotations for each rotary encoding of the model
 */
record Frame(
    int n,
    Mirror ids,
    Tensor x,
    Tensor h,
    Tensor ffn,
    List<Angles> angles,
    List<Rotation> rotations,
    List<Layer> layers) {
  /** Cosines and sines (n, rope / 2), F32. */
  record Angles(Mirror cosines, Mirror sines) {}

  /**
   * An attention's activations.
   *
   * @param fromHidden the projections of h, those of queries first
   * @param queriesFromHidden of these, what queries need
   * @param latentFromHidden of these, what the cache needs
   * @param queryLatent (n, qLora), or null where queries are projected at once
   * @param fromQueryLatent the projections of queryLatent, or null
   * @param queries (n, heads, nope + rope)
   * @param latent (n, latent + rope), what goes into the cache
   * @param values (n, heads, value)
   * @param flatValues the same as (n, heads * value)
   * @param fromValues the projection of flatValues
   */
  record Layer(
      List<Projection> fromHidden,
      List<Projection> queriesFromHidden,
      List<Projection> latentFromHidden,
      Tensor queryLatent,
      List<Projection> fromQueryLatent,
      Tensor queries,
      Tensor latent,
      AttentionScore score,
      Tensor values,
      Tensor flatValues,
      List<Projection> fromValues) {}

  static Frame of(
      int n,
      ModelDescription model,
      DecoderWeights weights,
      List<RopeEncoding> encodings,
      Activations activations) {
    activations.reserve(n);
    Tensor h = activations.rows("h", n, model.hidden());
    Layer[] layers = new Layer[model.layers().size()];
    for (int i = 0; i < layers.length; i++) {
      layers[i] =
          layer(
              n, model.layers().get(i).mla(), weights.layers().get(i).attention(), h, activations);
    }
    Angles[] angles = new Angles[encodings.size()];
    Rotation[] rotations = new Rotation[encodings.size()];
    for (int i = 0; i < rotations.length; i++) {
      RopeEncoding encoding = encodings.get(i);
      int pairs = encoding.width() / 2;
      angles[i] =
          new Angles(
              activations.mirror("cosines" + i, StorageFormat.F32, n, pairs),
              activations.mirror("sines" + i, StorageFormat.F32, n, pairs));
      rotations[i] =
          new Rotation(
              angles[i].cosines().onDevice(), angles[i].sines().onDevice(), encoding.layout());
    }
    return new Frame(
        n,
        activations.mirror("ids", StorageFormat.I32, n, 1).reshape(n),
        activations.rows("x", n, model.hidden()),
        h,
        activations.rows("ffn", n, model.hidden()),
        List.of(angles),
        List.of(rotations),
        List.of(layers));
  }

  private static Layer layer(
      int n,
      AttentionDescription.Mla attention,
      DecoderWeights.Attention w,
      Tensor h,
      Activations activations) {
    MlaShape shape = attention.shape();
    Tensor latent = activations.rows("latent", n, shape.cached());
    Tensor q = activations.rows("q", n, shape.heads() * shape.query());
    Tensor values = activations.rows("values", n, shape.heads() * shape.value());
    Projection latentDown = new Projection(w.latentDown(), w.latentDownBias(), latent);
    Projection queryUp = new Projection(w.queryUp(), null, q);
    Tensor queryLatent =
        w.queryDown() == null ? null : activations.rows("queryLatent", n, w.queryDown().out());
    Projection toQueries =
        queryLatent == null
            ? queryUp
            : new Projection(w.queryDown(), w.queryDownBias(), queryLatent);
    return new Layer(
        List.of(toQueries, latentDown),
        List.of(toQueries),
        List.of(latentDown),
        queryLatent,
        queryLatent == null ? null : List.of(queryUp),
        q.reshape(n, shape.heads(), shape.query()),
        latent,
        AttentionScore.of(attention.scoreScale()),
        values.reshape(n, shape.heads(), shape.value()),
        values,
        List.of(new Projection(w.output(), w.outputBias(), h)));
  }
}
