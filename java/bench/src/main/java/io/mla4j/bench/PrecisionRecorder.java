package io.mla4j.bench;

import io.mla4j.AttentionForm;
import io.mla4j.MlaShape;
import io.mla4j.ops.Add;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.Attend;
import io.mla4j.ops.HeadMatrices;
import io.mla4j.testkit.Attention;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The first step of a sequence, compared with double precision while it is computed: attention of
 * each layer over that layer's own queries and latents as they were before anything was rounded.
 */
final class PrecisionRecorder {
  /** Every so many tokens' queries are looked at. */
  private static final int STRIDE = 4;

  private final boolean absorbed;
  private final Map<Integer, double[]> rows = new HashMap<>();
  private final List<LayerError> layers = new ArrayList<>();
  private final List<float[]> residuals = new ArrayList<>();
  private boolean listening;

  /**
   * Attention of one layer against double precision.
   *
   * @param out for each row that was looked at, a token and a head: |out - exact| / |exact|
   * @param lse the same rows: |lse - exact|; none where the form does not tell it
   */
  record LayerError(int layer, double[] out, double[] lse) {}

  PrecisionRecorder(AttentionForm form) {
    absorbed = form == AttentionForm.ABSORBED;
  }

  void listen(boolean on) {
    listening = on;
  }

  boolean listens() {
    return listening;
  }

  boolean absorbed() {
    return absorbed;
  }

  /** In the order of the layers. */
  List<LayerError> layers() {
    return layers;
  }

  /** (n, hidden) after each addition to the residual stream. */
  List<float[]> residuals() {
    return residuals;
  }

  void added(Add o) {
    if (listening) {
      residuals.add(o.out().toArray());
    }
  }

  /** [norm(c) | rotate(k)] in double precision. */
  void appended(AppendLatent o) {
    if (!listening) {
      return;
    }
    float[] a = o.latentAndKey().toArray();
    int n = (int) o.latentAndKey().dim(0);
    int width = (int) o.latentAndKey().dim(1);
    int rope = o.rotation().width();
    int latent = width - rope;
    float[] weight = o.normWeight() == null ? null : o.normWeight().toArray();
    double[] exact = new double[n * width];
    float[] angles = new float[rope];
    float[] turned = new float[width];
    for (int t = 0; t < n; t++) {
      double squares = 0;
      for (int i = 0; i < latent; i++) {
        squares += (double) a[t * width + i] * a[t * width + i];
      }
      double norm = Math.sqrt(squares / latent + o.eps());
      for (int i = 0; i < latent; i++) {
        double x = a[t * width + i];
        exact[t * width + i] = weight == null ? x : weight[i] * x / norm;
      }
      if (rope > 0) {
        // A rotation in float32 is exact to 1e-7, far below what any type of cache keeps.
        o.rotation().read(t, angles);
        o.rotation().turn(angles, a, t * width + latent, turned, latent);
      }
      for (int i = latent; i < width; i++) {
        exact[t * width + i] = turned[i];
      }
    }
    rows.put(o.layer(), exact);
  }

  void attended(Attend o, float[] lse) {
    MlaShape s = o.shape();
    double[] cached = rows.get(o.layer());
    float[] q = o.q().toArray();
    float[] out = o.out().toArray();
    int n = (int) o.q().dim(0);
    int count = n / STRIDE * s.heads();
    double[] outErrors = new double[count];
    double[] lseErrors = new double[lse == null ? 0 : count];
    Attention oracle = new Attention(s.cached(), s.latent(), o.score().scale(), false);
    Attention.Rows keys = new Attention.Rows(cached, s.cached(), cached, s.cached(), null, null);
    for (int h = 0, at = 0; h < s.heads(); h++) {
      double[] keysUp = matrix(o.up().keys(s), h, s.nope(), s.latent());
      double[] valuesUp = matrix(o.up().values(s), h, s.value(), s.latent());
      for (int t = STRIDE - 1; t < n; t += STRIDE, at++) {
        int from = (t * s.heads() + h) * s.query();
        double[] query = new double[s.cached()];
        for (int i = 0; i < s.nope(); i++) {
          for (int j = 0; j < s.latent(); j++) {
            query[j] += q[from + i] * keysUp[i * s.latent() + j];
          }
        }
        for (int i = 0; i < s.rope(); i++) {
          query[s.latent() + i] = q[from + s.nope() + i];
        }
        double[] sum = new double[s.latent()];
        double exactLse = oracle.row(query, 0, keys, 0, t + 1, new Attention.Bias(0, 0), sum, 0);
        double difference = 0;
        double size = 0;
        for (int i = 0; i < s.value(); i++) {
          double exact = 0;
          for (int j = 0; j < s.latent(); j++) {
            exact += valuesUp[i * s.latent() + j] * sum[j];
          }
          double d = out[(t * s.heads() + h) * s.value() + i] - exact;
          difference += d * d;
          size += exact * exact;
        }
        outErrors[at] = Math.sqrt(difference / size);
        if (lse != null) {
          lseErrors[at] = Math.abs(lse[t * s.heads() + h] - exactLse);
        }
      }
    }
    layers.add(new LayerError(o.layer(), outErrors, lseErrors));
  }

  /** A head's matrix (rows, latent). */
  private static double[] matrix(HeadMatrices all, int head, int rows, int latent) {
    double[] matrix = new double[rows * latent];
    boolean transposed = all.transposed();
    int lines = transposed ? latent : rows;
    int width = transposed ? rows : latent;
    float[] line = new float[width];
    for (int i = 0; i < lines; i++) {
      all.widen(head, i, line, 0, width);
      for (int j = 0; j < width; j++) {
        matrix[transposed ? j * latent + i : i * latent + j] = line[j];
      }
    }
    return matrix;
  }
}
