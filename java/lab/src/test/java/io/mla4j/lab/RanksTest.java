package io.mla4j.lab;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.AttentionForm;
import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.Device;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.ModelDescription;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.ejml.data.DMatrixRMaj;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Latents of their own width for each layer: how they are chosen, and that the decoder has them.
 */
class RanksTest {
  private static final Path MODEL =
      Path.of(System.getProperty("mla4j.root"), "java/model/src/test/resources/golden/llama-mha");
  private static final int[] LATENTS = {16, 80, 48};

  @TempDir private Path folder;

  @Test
  void stepsAreThoseOfTheRows() {
    assertEquals(List.of(16, 48, 80, 100), new Ranks(100, 16).steps());
    assertEquals(List.of(32, 64), new Ranks(64, 0).steps());
    assertEquals(64 * 3, new Ranks(100, 16).bytes(80));
  }

  @Test
  void theBudgetIsKeptAndGoesWhereItIsWorthMost() {
    Ranks ranks = new Ranks(100, 16);
    double[] steep = new double[100];
    double[] flat = new double[100];
    Arrays.fill(flat, 1);
    Arrays.fill(steep, 0, 16, 1);
    List<double[]> spectra = List.of(steep, flat, flat);
    int[] each = ranks.each(new double[] {5, 1, 2}, spectra, 3 * 64 * 2);
    assertArrayEquals(new int[] {16, 16, 100}, each);
    long spent = Arrays.stream(each).mapToLong(ranks::bytes).sum();
    assertTrue(spent <= 3 * 64 * 2, () -> "spent " + spent);
    assertEquals(48, ranks.same(3, 3 * 64 * 2 + 63));
    LabException e = assertThrows(LabException.class, () -> ranks.same(3, 191));
    assertEquals(
        "--budget is 191, but 3 layers with --rope 16 take 192 bytes a token or more",
        e.getMessage());
    assertThrows(LabException.class, () -> ranks.each(new double[3], spectra, 191));
  }

  /** Narrow latents are wide ones whose last elements are nothing. */
  @ParameterizedTest
  @EnumSource(names = {"ABSORBED", "DECOMPRESSED"})
  void layersOfSeveralWidthsComputeAsOnesPadded(AttentionForm form) {
    try (Device device = Backends.open(new Backends.Choice("vector", null, 2));
        Converter converter = Converter.open(MODEL, device)) {
      int[] ids = new SplittableRandom(3).ints(1020, 3, 320).toArray();
      int[][] windows = converter.windows(ids, 0);
      Calibrated calibrated = converter.calibrate(windows, _ -> {});
      Converter.Plan plan =
          new Converter.Plan(Method.TRANSMLA, Method.Fitting.DEFAULT, Form.FULL, 1, 16);
      Placed placed = calibrated.place(plan);
      List<LatentLayer> padded = new ArrayList<>();
      for (int l = 0; l < LATENTS.length; l++) {
        padded.add(pad(placed.cut(l, LATENTS[l]), 80));
      }
      placed.write(LATENTS, folder.resolve("narrow"));
      converter.write(padded.stream(), Form.FULL, folder.resolve("padded"));
      ModelDescription model = ConfigReader.read(folder.resolve("narrow"));
      assertEquals(64 + 192 + 128, model.cacheBytesPerToken(CacheType.BF16));
      // In two steps, the second behind what the first has cached.
      int[] text = new SplittableRandom(4).ints(150, 3, 320).toArray();
      float[][] expected = Logits.of(folder.resolve("padded"), device, form, 96, text);
      float[][] actual = Logits.of(folder.resolve("narrow"), device, form, 96, text);
      for (int t = 0; t < expected.length; t++) {
        assertArrayEquals(expected[t], actual[t], 1e-5f);
      }
    }
  }

  private static LatentLayer pad(LatentLayer layer, int width) {
    int rank = layer.up().numCols;
    int rope = layer.down().numRows - rank;
    DMatrixRMaj nothing = new DMatrixRMaj(width - rank, layer.down().numCols);
    DMatrixRMaj down =
        Matrices.stack(
            Matrices.stack(Matrices.rows(layer.down(), 0, rank), nothing),
            Matrices.rows(layer.down(), rank, rope));
    DMatrixRMaj up = new DMatrixRMaj(layer.up().numRows, width);
    for (int i = 0; i < up.numRows; i++) {
      for (int j = 0; j < rank; j++) {
        up.set(i, j, layer.up().get(i, j));
      }
    }
    return new LatentLayer(
        layer.query(), down, up, layer.frequencies(), layer.slopes(), layer.lost(), layer.square());
  }
}
