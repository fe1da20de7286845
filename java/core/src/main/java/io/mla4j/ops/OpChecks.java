package io.mla4j.ops;

import io.mla4j.DecodePlan;
import io.mla4j.InvalidArgumentException;
import io.mla4j.MlaShape;
import io.mla4j.ops.Ops.FeedForward;
import io.mla4j.ops.Ops.Mixture;
import io.mla4j.ops.Ops.Projection;
import io.mla4j.spi.MergeParams;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * The checks of {@link Ops}, the same for every backend: each throws {@link
 * InvalidArgumentException} naming the argument, what it is and what it must be.
 */
public final class OpChecks {
  private OpChecks() {}

  /** Of {@link Ops#embed}; ids are looked at where Java may read them. */
  public static void embed(Weight table, Tensor ids, Tensor out) {
    Checks.requireFloats("out", out, 2);
    Checks.requireOutput("out", out, StorageFormat.F32, out.dim(0), out.dim(1));
    Checks.require("ids", ids, StorageFormat.I32, out.dim(0));
    Checks.requireMatrix("table", table);
    Checks.require("table", table, table.tensor().dim(0), out.dim(1));
    int vocabulary = Checks.toInt("vocabulary", table.tensor().dim(0));
    Checks.toInt("width", out.dim(1));
    boolean readable = ids.segment().isAccessibleBy(Thread.currentThread());
    for (int i = 0; readable && i < ids.dim(0); i++) {
      int id = ids.segment().get(ValueLayout.JAVA_INT_UNALIGNED, 4L * i);
      if (id < 0 || id >= vocabulary) {
        throw new InvalidArgumentException(
            "ids[" + i + "] is " + id + ", but the vocabulary is 0.." + (vocabulary - 1));
      }
    }
  }

  /** Of {@link Ops#rmsNorm}. */
  public static void rmsNorm(Tensor x, Tensor weight, Tensor out) {
    Checks.requireFloats("x", x, 2);
    Checks.requireOutput("out", out, StorageFormat.F32, x.dim(0), x.dim(1));
    Checks.require("weight", weight, StorageFormat.F32, x.dim(1));
  }

  /** Of {@link Ops#linear}. */
  public static void linear(Tensor x, List<Projection> projections) {
    Checks.requireFloats("x", x, 2);
    Checks.require(!projections.isEmpty(), "projections is empty");
    for (int i = 0; i < projections.size(); i++) {
      try {
        check(x, projections.get(i));
      } catch (InvalidArgumentException e) {
        throw new InvalidArgumentException("projections[" + i + "]." + e.getMessage());
      }
    }
  }

  private static void check(Tensor x, Projection p) {
    Checks.requireFloats("out", p.out(), 2);
    Checks.requireOutput("out", p.out(), StorageFormat.F32, x.dim(0), p.out().dim(1));
    Checks.require("weight", p.weight(), p.out().dim(1), x.dim(1));
    if (p.bias() != null) {
      Checks.require("bias", p.bias(), StorageFormat.F32, p.out().dim(1));
    }
  }

  /** Of {@link Ops#add}. */
  public static void add(Tensor x, Tensor residual, Tensor out) {
    Checks.requireFloats("x", x, 2);
    Checks.require("residual", residual, StorageFormat.F32, x.dim(0), x.dim(1));
    Checks.requireOutput("out", out, StorageFormat.F32, x.dim(0), x.dim(1));
  }

  /** Of {@link Ops#rotate}: the elements that are turned. */
  public static int rotate(Tensor q, Rotation rotation, Tensor out) {
    Checks.requireFloats("q", q, 3);
    Checks.requireOutput("out", out, StorageFormat.F32, q.dim(0), q.dim(1), q.dim(2));
    int rope = checkRotation(rotation, q.dim(0));
    if (rope > q.dim(2)) {
      throw new InvalidArgumentException(
          "rotation turns " + rope + " elements, but q has only " + q.dim(2));
    }
    return rope;
  }

  /** Of {@link Ops#absorb}: the sizes that the arguments give. */
  public static MlaShape absorb(Tensor q, Weight kvB, Tensor out) {
    Checks.requireFloats("q", q, 3);
    Checks.requireFloats("out", out, 3);
    Checks.requireMatrix("kvB", kvB);
    Checks.requireOutput("out", out, StorageFormat.F32, q.dim(0), q.dim(1), out.dim(2));
    int heads = Checks.positiveInt("heads", q.dim(1));
    int latent = Checks.toInt("latent", kvB.tensor().dim(1));
    int rope = Checks.toInt("rope", out.dim(2) - latent);
    int nope = Checks.toInt("nope", q.dim(2) - rope);
    int value = Checks.toInt("value", kvB.tensor().dim(0) / heads - nope);
    MlaShape shape = new MlaShape(heads, latent, rope, nope, value);
    Checks.require("kvB", kvB, (long) heads * (nope + value), latent);
    return shape;
  }

  /** Of {@link Ops#expand}: the sizes that the arguments give. */
  public static MlaShape expand(Tensor x, Weight kvB, Tensor out) {
    Checks.requireFloats("x", x, 3);
    Checks.requireFloats("out", out, 3);
    Checks.requireMatrix("kvB", kvB);
    Checks.requireOutput("out", out, StorageFormat.F32, x.dim(0), x.dim(1), out.dim(2));
    int heads = Checks.positiveInt("heads", x.dim(1));
    int latent = Checks.toInt("latent", x.dim(2));
    int value = Checks.toInt("value", out.dim(2));
    int nope = Checks.toInt("nope", kvB.tensor().dim(0) / heads - value);
    MlaShape shape = new MlaShape(heads, latent, 0, nope, value);
    Checks.require("kvB", kvB, (long) heads * (nope + value), latent);
    return shape;
  }

  /** Of {@link Ops#appendLatent}. */
  public static void appendLatent(
      DecodePlan plan, int layer, Tensor latentAndKey, Tensor normWeight, Rotation rotation) {
    int latent = plan.cacheParams().layout().latent();
    int rope = plan.cacheParams().layout().rope();
    Checks.require("latentAndKey", latentAndKey, StorageFormat.F32, plan.tokens(), latent + rope);
    if (normWeight != null) {
      Checks.require("normWeight", normWeight, StorageFormat.F32, latent);
    }
    int rotated = checkRotation(rotation, plan.tokens());
    if (rotated != rope) {
      throw new InvalidArgumentException(
          "rotation turns " + rotated + " elements, but the cache has " + rope);
    }
    requireLayer(plan, layer);
  }

  /** Of {@link Ops#attendAbsorbed}. */
  public static void attendAbsorbed(
      DecodePlan plan, int layer, Tensor q, AttentionScore score, Tensor out, Tensor lse) {
    int latent = plan.cacheParams().layout().latent();
    int rope = plan.cacheParams().layout().rope();
    Checks.requireFloats("q", q, 3);
    Checks.positiveInt("heads", q.dim(1));
    Checks.require("q", q, StorageFormat.F32, plan.tokens(), q.dim(1), latent + rope);
    Checks.requireOutput("out", out, StorageFormat.F32, plan.tokens(), q.dim(1), latent);
    if (lse != null) {
      Checks.requireOutput("lse", lse, StorageFormat.F32, plan.tokens(), q.dim(1));
    }
    checkScore(score, q.dim(1));
    requireLayer(plan, layer);
  }

  /** Of {@link Ops#attend}. */
  public static void attend(
      DecodePlan plan, int layer, Tensor q, Weight kvB, AttentionScore score, Tensor out) {
    MlaShape shape = plan.shape();
    Checks.require("q", q, StorageFormat.F32, plan.tokens(), shape.heads(), shape.query());
    Checks.requireOutput("out", out, StorageFormat.F32, plan.tokens(), shape.heads(), shape.value());
    Checks.require(
        "kvB", kvB, (long) shape.heads() * (shape.nope() + shape.value()), shape.latent());
    checkScore(score, shape.heads());
    requireLayer(plan, layer);
  }

  /** Of {@link Ops#merge}: its numbers. */
  public static MergeParams merge(Tensor partialOut, Tensor partialLse, Tensor out, Tensor lse) {
    Checks.requireFloats("partialOut", partialOut, 4);
    Checks.require(
        "partialLse",
        partialLse,
        StorageFormat.F32,
        partialOut.dim(0),
        partialOut.dim(1),
        partialOut.dim(2));
    Checks.requireOutput(
        "out", out, StorageFormat.F32, partialOut.dim(1), partialOut.dim(2), partialOut.dim(3));
    if (lse != null) {
      Checks.requireOutput("lse", lse, StorageFormat.F32, partialOut.dim(1), partialOut.dim(2));
    }
    return new MergeParams(
        (int) partialOut.dim(0),
        (int) partialOut.dim(1),
        (int) partialOut.dim(2),
        (int) partialOut.dim(3),
        partialOut.stride(0),
        partialOut.stride(1),
        partialOut.stride(2),
        partialLse.stride(0),
        partialLse.stride(1),
        partialLse.stride(2),
        out.stride(0),
        out.stride(1),
        lse == null ? 0 : lse.stride(0),
        lse == null ? 0 : lse.stride(1));
  }

  /** Of {@link Ops#feedForward}. */
  public static void feedForward(Tensor x, FeedForward weights, Tensor out) {
    checkRows(x, out);
    checkNetwork("weights", weights, x, out);
  }

  /** Of {@link Ops#mixture}. */
  public static void mixture(Tensor x, Mixture weights, Tensor out) {
    Checks.require(weights != null && weights.routing() != null, "weights.routing is null");
    int experts = weights.routing().experts();
    if (weights.experts().size() != experts) {
      throw new InvalidArgumentException(
          "weights.experts has "
              + weights.experts().size()
              + " networks, but must have "
              + experts);
    }
    checkRows(x, out);
    Checks.require("weights.router", weights.router(), experts, x.dim(1));
    if (weights.bias() != null) {
      Checks.require("weights.bias", weights.bias(), StorageFormat.F32, experts);
    }
    int inner = -1;
    for (int e = 0; e < experts; e++) {
      FeedForward expert = weights.experts().get(e);
      try {
        checkNetwork(expert, x, out);
      } catch (InvalidArgumentException failure) {
        throw new InvalidArgumentException("weights.experts[" + e + "]" + failure.getMessage());
      }
      inner = e == 0 ? expert.gate().out() : inner;
      if (expert.gate().out() != inner) {
        throw new InvalidArgumentException(
            "weights.experts["
                + e
                + "] has an inner width of "
                + expert.gate().out()
                + ", but the first one has "
                + inner);
      }
    }
    if (weights.shared() != null) {
      checkNetwork("weights.shared", weights.shared(), x, out);
    }
  }

  private static void checkRows(Tensor x, Tensor out) {
    Checks.requireFloats("x", x, 2);
    Checks.requireFloats("out", out, 2);
    Checks.requireOutput("out", out, StorageFormat.F32, x.dim(0), out.dim(1));
  }

  private static void checkNetwork(String name, FeedForward weights, Tensor x, Tensor out) {
    try {
      checkNetwork(weights, x, out);
    } catch (InvalidArgumentException e) {
      throw new InvalidArgumentException(name + e.getMessage());
    }
  }

  /** Messages begin behind the network's name. */
  private static void checkNetwork(FeedForward weights, Tensor x, Tensor out) {
    Checks.require(weights != null, " is null");
    Checks.requireMatrix(".gate", weights.gate());
    long inner = weights.gate().tensor().dim(0);
    Checks.require(".gate", weights.gate(), inner, x.dim(1));
    Checks.require(".up", weights.up(), inner, x.dim(1));
    Checks.require(".down", weights.down(), out.dim(1), inner);
  }

  private static int checkRotation(Rotation rotation, long tokens) {
    Checks.require(rotation != null, "rotation is null");
    Checks.requireFloats("rotation.cosines", rotation.cosines(), 2);
    long pairs = rotation.cosines().dim(1);
    Checks.require("rotation.cosines", rotation.cosines(), StorageFormat.F32, tokens, pairs);
    Checks.require("rotation.sines", rotation.sines(), StorageFormat.F32, tokens, pairs);
    Checks.require(
        tokens < 2 || rotation.cosines().stride(0) == pairs && rotation.sines().stride(0) == pairs,
        "rotation has gaps between its rows, but must be contiguous");
    return Checks.toInt("rotation", 2 * pairs);
  }

  private static void checkScore(AttentionScore score, long heads) {
    Checks.require(score != null, "score is null");
    if (score.alibiSlopes() != null) {
      Checks.require("score.alibiSlopes", score.alibiSlopes(), StorageFormat.F32, heads);
    }
  }

  private static void requireLayer(DecodePlan plan, int layer) {
    if (layer < 0 || layer >= plan.layers()) {
      throw new InvalidArgumentException(
          "layer is " + layer + ", but the cache has layers 0.." + (plan.layers() - 1));
    }
  }
}
