package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.InvalidArgumentException;
import io.mla4j.MlaShape;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.function.IntBinaryOperator;
import org.junit.jupiter.api.Test;

/** The three arrangements of W_UK and W_UV stand for the same matrices. */
class LatentUpTest {
  private static final int HEADS = 3;
  private static final int LATENT = 8;
  private static final int NOPE = 5;
  private static final int VALUE = 4;
  private static final MlaShape SHAPE = new MlaShape(HEADS, LATENT, 2, NOPE, VALUE);

  private static float key(int head, int i, int j) {
    return 1000 * head + 10 * i + j;
  }

  private static float value(int head, int i, int j) {
    return -key(head, i, j) - 1;
  }

  private static Weight matrix(int rows, int columns, IntBinaryOperator at) {
    float[] values = new float[rows * columns];
    for (int i = 0; i < values.length; i++) {
      values[i] = at.applyAsInt(i / columns, i % columns);
    }
    return Weight.of(tensor(rows, columns).copyFrom(values));
  }

  private static Tensor tensor(int... shape) {
    int elements = Arrays.stream(shape).reduce(1, (a, b) -> a * b);
    return Tensor.of(
        Arena.ofAuto().allocate(4L * elements, 64),
        StorageFormat.F32,
        Arrays.stream(shape).asLongStream().toArray());
  }

  private static Weight fusedMatrix() {
    return matrix(
        HEADS * (NOPE + VALUE),
        LATENT,
        (row, j) -> {
          int head = row / (NOPE + VALUE);
          int i = row % (NOPE + VALUE);
          return (int) (i < NOPE ? key(head, i, j) : value(head, i - NOPE, j));
        });
  }

  private static Weight keys() {
    return matrix(HEADS * NOPE, LATENT, (row, j) -> (int) key(row / NOPE, row % NOPE, j));
  }

  private static Weight transposedKeys() {
    return matrix(HEADS * LATENT, NOPE, (row, i) -> (int) key(row / LATENT, i, row % LATENT));
  }

  private static Weight values() {
    return matrix(HEADS * VALUE, LATENT, (row, j) -> (int) value(row / VALUE, row % VALUE, j));
  }

  private static LatentUp[] all() {
    return new LatentUp[] {
      LatentUp.fused(fusedMatrix()),
      new LatentUp.Split(keys(), false, values()),
      LatentUp.split(transposedKeys(), values())
    };
  }

  /** Element (i, j) of a head's matrix, whichever way it lies. */
  private static float element(HeadMatrices matrices, int head, int i, int j) {
    boolean turned = matrices.transposed();
    float[] row = new float[matrices.weight().in()];
    matrices.widen(head, turned ? j : i, row, 0, row.length);
    return row[turned ? i : j];
  }

  @Test
  void arrangementsStandForTheSameMatrices() {
    for (LatentUp up : all()) {
      up.requireFits(SHAPE);
      assertEquals(LATENT, up.latent());
      assertEquals(NOPE, up.nope(HEADS, VALUE));
      assertEquals(VALUE, up.value(HEADS, NOPE));
      for (int h = 0; h < HEADS; h++) {
        for (int j = 0; j < LATENT; j++) {
          for (int i = 0; i < NOPE; i++) {
            assertEquals(key(h, i, j), element(up.keys(SHAPE), h, i, j), up.toString());
          }
          for (int i = 0; i < VALUE; i++) {
            assertEquals(value(h, i, j), element(up.values(SHAPE), h, i, j), up.toString());
          }
        }
      }
    }
  }

  @Test
  void onlyTransposedKeysAreTurned() {
    LatentUp[] all = all();
    assertFalse(all[0].keys(SHAPE).transposed());
    assertFalse(all[1].keys(SHAPE).transposed());
    assertTrue(all[2].keys(SHAPE).transposed());
    assertFalse(all[2].values(SHAPE).transposed());
  }

  @Test
  void theMatrixThatDoesNotFitIsNamed() {
    MlaShape wider = new MlaShape(HEADS, LATENT, 2, NOPE + 1, VALUE);
    MlaShape taller = new MlaShape(HEADS, LATENT, 2, NOPE, VALUE + 1);
    String[][] named = {{"latentUp", "latentUp"}, {"keysUp", "valuesUp"}, {"keysUp", "valuesUp"}};
    LatentUp[] all = all();
    for (int i = 0; i < all.length; i++) {
      LatentUp up = all[i];
      assertTrue(refusal(() -> up.requireFits(wider)).startsWith(named[i][0]));
      assertTrue(refusal(() -> up.requireFits(taller)).startsWith(named[i][1]));
    }
    Weight vector = Weight.of(tensor(LATENT));
    assertTrue(refusal(() -> LatentUp.split(vector, values())).startsWith("keysUp"));
    assertTrue(refusal(() -> LatentUp.split(keys(), vector)).startsWith("valuesUp"));
  }

  private static String refusal(Runnable action) {
    return assertThrows(InvalidArgumentException.class, action::run).getMessage();
  }
}
