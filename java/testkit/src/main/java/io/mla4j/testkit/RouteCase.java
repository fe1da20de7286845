package io.mla4j.testkit;

import io.mla4j.ops.Route;
import io.mla4j.ops.Routing;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.Kernels;
import java.util.Arrays;
import java.util.List;

/**
 * {@code route}: DeepSeek-V2's and V3's choice of experts. Logits are drawn so that float32 cannot
 * turn a choice round: scores are either at least {@link #GAP} apart or exactly equal, and then the
 * lower index goes first.
 */
final class RouteCase implements OperationCase {
  private static final double GAP = 1e-5;

  private final Routing routing;
  private final int tokens;
  private final float[] logits;
  private final float[] bias;

  RouteCase(CaseRandom r) {
    int groups = r.oneIn(3) ? 1 : r.of(2, 3, 4, 8);
    int size = groups == 1 ? r.size(1, 160) : r.between(2, 32);
    int kept = r.between(1, groups);
    int topK = r.between(1, Math.min(kept * size, 12));
    routing =
        new Routing(
            groups * size,
            topK,
            r.of(Routing.Score.values()),
            groups,
            kept,
            r.of(Routing.GroupScore.values()),
            r.of(Routing.GroupMask.values()),
            r.oneIn(2),
            r.of(1f, 2.5f, 16f));
    tokens = r.oneIn(3) ? 1 : r.size(1, 20);
    boolean ties = r.oneIn(4);
    float[] drawn = null;
    if (r.oneIn(2)) {
      drawn = r.normals(routing.experts(), 0.3);
      for (int e = 0; ties && e < drawn.length; e++) {
        drawn[e] = r.oneIn(2) ? 0 : 0.25f;
      }
    }
    bias = drawn;
    logits = new float[tokens * routing.experts()];
    for (int t = 0; t < tokens; t++) {
      do {
        for (int e = 0; e < routing.experts(); e++) {
          float logit = r.normal() * 1.5f;
          logits[t * routing.experts() + e] = ties ? Math.round(logit * 2) / 2f : logit;
        }
      } while (!clear(t));
    }
  }

  private RouteCase(RouteCase all, int token) {
    routing = all.routing;
    tokens = 1;
    int experts = routing.experts();
    logits = Arrays.copyOfRange(all.logits, token * experts, (token + 1) * experts);
    bias = all.bias;
  }

  @Override
  public String shape() {
    return "tokens " + tokens + ", " + routing + (bias == null ? "" : ", bias");
  }

  @Override
  public int rows() {
    return tokens;
  }

  @Override
  public OperationCase row(int i) {
    return new RouteCase(this, i);
  }

  /** Scores plus bias of a token, with the masks of its groups: what is chosen by. */
  private double[] choices(double[] scores) {
    double[] choice = biased(scores);
    if (routing.groups() > 1) {
      boolean[] kept = new boolean[routing.groups()];
      for (int g : Oracle.top(groupScores(choice), routing.keptGroups())) {
        kept[g] = true;
      }
      double masked = routing.groupMask() == Routing.GroupMask.ZERO ? 0 : Double.NEGATIVE_INFINITY;
      for (int e = 0; e < choice.length; e++) {
        choice[e] = kept[e / (routing.experts() / routing.groups())] ? choice[e] : masked;
      }
    }
    return choice;
  }

  private double[] biased(double[] scores) {
    double[] choice = scores.clone();
    for (int e = 0; bias != null && e < choice.length; e++) {
      choice[e] += bias[e];
    }
    return choice;
  }

  private double[] groupScores(double[] biased) {
    double[] ranks = new double[routing.groups()];
    for (int g = 0; g < ranks.length; g++) {
      ranks[g] = Oracle.groupScore(routing, biased, g);
    }
    return ranks;
  }

  /** No two numbers that are ordered lie closer than float32 tells apart, unless they are equal. */
  private boolean clear(int t) {
    double[] scores = Oracle.scores(routing, logits, t * routing.experts());
    return apart(choices(scores), routing.topK())
        && (routing.groups() == 1 || apart(groupScores(biased(scores)), routing.keptGroups()));
  }

  /** Only the order of the first k and the one behind them matters. */
  private static boolean apart(double[] values, int k) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    for (int i = sorted.length - 1; i > Math.max(0, sorted.length - 1 - k); i--) {
      double gap = sorted[i] - sorted[i - 1];
      if (gap != 0 && gap < GAP && sorted[i] != sorted[i - 1]) {
        return false;
      }
    }
    return true;
  }

  @Override
  public List<Expectation> expected() {
    int k = routing.topK();
    double[] experts = new double[tokens * k];
    double[] weights = new double[tokens * k];
    double[] allowed = new double[tokens * k];
    for (int t = 0; t < tokens; t++) {
      double[] scores = Oracle.scores(routing, logits, t * routing.experts());
      int[] chosen = Oracle.top(choices(scores), k);
      double sum = 0;
      for (int e : chosen) {
        sum += scores[e];
      }
      for (int j = 0; j < k; j++) {
        double divisor = routing.renormalize() ? sum + 1e-20 : 1;
        experts[t * k + j] = chosen[j];
        weights[t * k + j] = scores[chosen[j]] / divisor * routing.scale();
        allowed[t * k + j] = 2e-6 * weights[t * k + j];
      }
    }
    return List.of(
        Expectation.exact("experts_out", experts),
        Expectation.within("weights_out", weights, allowed));
  }

  @Override
  public List<Output> run(Kernels kernels, Cuts cuts) {
    int k = routing.topK();
    try (GuardedMemory memory = new GuardedMemory()) {
      Grid in =
          Grid.any(memory, cuts.random(), StorageFormat.F32, tokens, 1, routing.experts())
              .fill(logits);
      Tensor added =
          bias == null
              ? null
              : Grid.dense(memory, StorageFormat.F32, 1, 1, bias.length).fill(bias).vector();
      Grid experts = Grid.dense(memory, StorageFormat.I32, tokens, 1, k);
      Grid weights = Grid.dense(memory, StorageFormat.F32, tokens, 1, k);
      Route operation = new Route(routing, in.matrix(), added, experts.matrix(), weights.matrix());
      OperationCase.runRows(
          kernels,
          cuts,
          operation,
          (begin, end) -> {
            experts.ask(begin, end, 0, 1);
            weights.ask(begin, end, 0, 1);
          });
      in.requireUnchanged("logits");
      memory.verify();
      return List.of(experts.read("experts_out"), weights.read("weights_out"));
    }
  }
}
