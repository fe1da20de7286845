package io.mla4j.model;

import io.mla4j.DecodePlan;
import io.mla4j.ops.Mirror;
import io.mla4j.ops.Rotation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.position.RopeEncoding;
import io.mla4j.position.RopeTable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Cosines and sines of a frame's tokens, for each rotary encoding of the model. */
final class Rotations {
  /** Both are (n, rope / 2) F32, written by Java. */
  private record Angles(RopeTable table, Mirror cosines, Mirror sines, Rotation rotation) {}

  private final List<Angles> angles = new ArrayList<>();

  /** The rotations of {@code n} tokens, which are filled before each step. */
  Rotations(Map<RopeEncoding, RopeTable> tables, Activations activations, int n) {
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

  /** Writes the angles of the tokens of a plan. */
  void fill(DecodePlan plan) {
    for (int a = 0; a < angles.size(); a++) {
      fill(angles.get(a), plan);
    }
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
