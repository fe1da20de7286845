package io.mla4j.model;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import io.mla4j.DecodePlan;
import io.mla4j.checkpoint.AttentionDescription.QueryScale;
import io.mla4j.ops.Mirror;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.position.RopeEncoding;
import io.mla4j.position.RopeTable;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * What follows from the positions of a frame's tokens: cosines and sines for each rotary encoding
 * of the model, and factors on queries.
 */
final class Rotations {
  /** Both are (n, rope / 2) F32, written by Java. */
  private record Angles(RopeTable table, Mirror cosines, Mirror sines, Rotation rotation) {}

  /** (n, 1) F32, written by Java. */
  private record Factors(QueryScale scale, Mirror values) {}

  private final List<Angles> angles = new ArrayList<>();
  private final List<Factors> factors = new ArrayList<>();

  /** The rotations of {@code n} tokens, which are filled before each step. */
  Rotations(Graph graph, Activations activations, int n) {
    for (QueryScale scale : graph.queryScales()) {
      String name = "factors" + factors.size();
      factors.add(new Factors(scale, activations.mirror(name, StorageFormat.F32, n, 1)));
    }
    Map<RopeEncoding, RopeTable> tables = graph.ropes();
    tables.forEach(
        (encoding, table) -> {
          int pairs = encoding.width() / 2;
          String number = String.valueOf(angles.size());
          Mirror cosines = activations.mirror("cosines" + number, StorageFormat.F32, n, pairs);
          Mirror sines = activations.mirror("sines" + number, StorageFormat.F32, n, pairs);
          angles.add(
              new Angles(
                  table,
                  cosines,
                  sines,
                  new Rotation(cosines.onDevice(), sines.onDevice(), encoding.layout())));
        });
  }

  /** The rotation by what {@code table} holds. */
  Rotation by(RopeTable table) {
    for (Angles a : angles) {
      if (a.table == table) {
        return a.rotation;
      }
    }
    throw new IllegalArgumentException("the table is of another model");
  }

  /** The factors of {@code scale}. */
  Tensor factors(QueryScale scale) {
    for (Factors f : factors) {
      if (f.scale.equals(scale)) {
        return f.values.onDevice();
      }
    }
    throw new IllegalArgumentException("the scale is of another model");
  }

  /** Writes the angles and factors of the tokens of a plan. */
  void fill(DecodePlan plan) {
    for (int f = 0; f < factors.size(); f++) {
      fill(factors.get(f), plan);
    }
    for (int a = 0; a < angles.size(); a++) {
      fill(angles.get(a), plan);
    }
  }

  private static void fill(Factors factors, DecodePlan plan) {
    MemorySegment values = factors.values.host().segment();
    for (int i = 0; i < plan.sequences(); i++) {
      int count = plan.queryTokens(i);
      for (int t = 0; t < count; t++) {
        values.setAtIndex(
            JAVA_FLOAT, plan.firstToken(i) + t, factors.scale.at(plan.kvTokens(i) - count + t));
      }
    }
    factors.values.toDevice();
  }

  private static void fill(Angles angles, DecodePlan plan) {
    for (int i = 0; i < plan.sequences(); i++) {
      int count = plan.queryTokens(i);
      Tensor cosines = angles.cosines.host();
      Tensor sines = angles.sines.host();
      if (count < plan.tokens()) {
        cosines = cosines.slice(plan.firstToken(i), count);
        sines = sines.slice(plan.firstToken(i), count);
      }
      angles.table.fill(
          plan.kvTokens(i) - count,
          count,
          plan.announcedTokens(i),
          cosines.segment(),
          sines.segment());
    }
    angles.cosines.toDevice();
    angles.sines.toDevice();
  }
}
