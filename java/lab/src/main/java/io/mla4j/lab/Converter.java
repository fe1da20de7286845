package io.mla4j.lab;

import io.mla4j.CacheType;
import io.mla4j.Device;
import io.mla4j.text.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.stream.Stream;

/**
 * Turns a model with grouped keys and values into one with multi-head latent attention, without
 * training. Belongs to one thread.
 */
public final class Converter implements AutoCloseable {
  /** Tokens of a window of the calibration text, the one that starts it included. */
  static final int WINDOW = 256;

  private static final int LEAST_WINDOWS = 4;

  private final Source source;
  private final Products products;

  /**
   * What is asked for.
   *
   * @param method how
   * @param fitting what the method is told
   * @param form of the checkpoint
   * @param latent elements of the latent, r
   * @param rope rotated elements of the shared key, d
   */
  public record Plan(Method method, Method.Fitting fitting, Form form, int latent, int rope) {
    /** The same with a latent of another width. */
    public Plan with(int other) {
      return new Plan(method, fitting, form, other, rope);
    }
  }

  private Converter(Source source, Products products) {
    this.source = source;
    this.products = products;
  }

  /**
   * Opens the model that is to be converted.
   *
   * @param device a CPU that reads the calibration text; stays open
   * @throws LabException naming why its attention has no form with latents
   */
  public static Converter open(Path model, Device device) {
    Products products = new Products(device);
    return new Converter(Source.open(model), products);
  }

  /** How many layers a conversion has. */
  public int layers() {
    return source.model().layers().size();
  }

  /** Elements of a head of the original. */
  public int headWidth() {
    return source.shape().width();
  }

  /** Numbers that the original caches for a token in a layer: keys and values. */
  public int cachedNumbers() {
    return 2 * source.shape().keyWidth();
  }

  /** Bytes of a token of the original in all layers, in bf16. */
  public long cachedBytes() {
    return source.model().cacheBytesPerToken(CacheType.BF16);
  }

  /** The widest latent for all layers alike within a budget of bytes of a token, in bf16. */
  public int latentWithin(long budget, int rope) {
    return new Ranks(widestLatent(rope), rope).same(layers(), budget);
  }

  /** Bytes of a token in all layers, in bf16, with these latents. */
  public long bytes(List<Integer> latents, int rope) {
    Ranks ranks = new Ranks(widestLatent(rope), rope);
    return latents.stream().mapToLong(ranks::bytes).sum();
  }

  /** The widest latent beside so many rotated elements: all that is not rotated. */
  public int widestLatent(int rope) {
    return cachedNumbers() - rope;
  }

  /**
   * Refuses what no conversion of this model can be.
   *
   * @throws LabException naming the option
   */
  public void check(Plan plan) {
    int most = source.shape().keyWidth();
    if (plan.rope < 0 || plan.rope % 2 != 0 || plan.rope > most) {
      throw new LabException(
          "--rope is " + plan.rope + ", but must be even and in 0.." + most + " for this model");
    }
    if (plan.latent < 1 || plan.latent > widestLatent(plan.rope)) {
      throw new LabException(
          "--latent is "
              + plan.latent
              + ", but must be in 1.."
              + widestLatent(plan.rope)
              + " beside "
              + plan.rope
              + " rotated elements");
    }
    if (plan.form == Form.COMPATIBLE) {
      if (plan.rope != source.shape().width()) {
        throw new LabException(
            "--rope is "
                + plan.rope
                + ", but --compatible has the frequencies of the original: "
                + source.shape().width());
      }
      if (plan.method == Method.MHA2MLA) {
        throw new LabException("--method mha2mla chooses frequencies, which --compatible has not");
      }
      if (source.attention().inputBias() || source.attention().outputBias()) {
        throw new LabException(
            source.directory() + ": has biases, which DeepSeek's queries have not: --compatible");
      }
    }
  }

  /**
   * The windows of a calibration text: BOS and as many ids as fit.
   *
   * @throws LabException where the text is too short
   */
  public int[][] windows(int[] ids, int bos) {
    int each = WINDOW - 1;
    if (ids.length < LEAST_WINDOWS * each) {
      throw new LabException(
          "the calibration text has "
              + ids.length
              + " tokens, but must have "
              + LEAST_WINDOWS * each
              + " or more");
    }
    int[][] windows = new int[ids.length / each][WINDOW];
    for (int i = 0; i < windows.length; i++) {
      windows[i][0] = bos;
      System.arraycopy(ids, i * each, windows[i], 1, each);
    }
    return windows;
  }

  /** The model's tokenizer; to be closed. */
  public Tokenizer tokenizer() {
    return Tokenizer.open(source.directory());
  }

  /** The id that starts a window. */
  public int bos(Tokenizer tokenizer) {
    return (tokenizer.bos().isPresent() ? tokenizer.bos() : source.model().bos())
        .orElseThrow(
            () ->
                new LabException(
                    source.directory() + ": has no BOS token, which starts every window"));
  }

  /**
   * Reads the calibration text once, converts each layer on the way for every plan, and writes it:
   * nothing of a layer is kept.
   *
   * @param outs the folder that each plan makes
   * @param progress is told the layer that is done
   */
  void convert(List<Plan> plans, List<Path> outs, int[][] windows, IntConsumer progress) {
    plans.forEach(this::check);
    List<ConvertedModel> models = new ArrayList<>();
    try {
      for (int p = 0; p < plans.size(); p++) {
        models.add(new ConvertedModel(source, plans.get(p).form(), outs.get(p)));
      }
      convert(plans, windows, progress, models);
      models.forEach(ConvertedModel::finish);
    } finally {
      models.forEach(ConvertedModel::close);
    }
  }

  private void convert(
      List<Plan> plans, int[][] windows, IntConsumer progress, List<ConvertedModel> models) {
    new Calibration(source, products, windows)
        .run(
            (index, moments) -> {
              Placed.Layer placed = null;
              for (int p = 0; p < plans.size(); p++) {
                Plan plan = plans.get(p);
                // Plans that differ in their latent alone come one after the other.
                if (p == 0 || !plans.get(p - 1).with(plan.latent).equals(plan)) {
                  placed = place(plan, moments);
                }
                models.get(p).add(placed.cut(plan.latent));
              }
              progress.accept(index);
            });
  }

  /**
   * Reads the calibration text once and keeps what it says about every layer, for many conversions.
   *
   * @param progress is told the layer that is done
   */
  public Calibrated calibrate(int[][] windows, IntConsumer progress) {
    List<Moments> layers = new ArrayList<>();
    new Calibration(source, products, windows)
        .run(
            (index, moments) -> {
              layers.add(moments);
              progress.accept(index);
            });
    return new Calibrated(this, layers);
  }

  /**
   * How long all layers take.
   *
   * @param calibration seconds of {@link #calibrate}
   * @param placements seconds of {@link Calibrated#place} by each plan; 0 where it is refused
   */
  public record Times(double calibration, List<Double> placements) {}

  /** Tries the first layer on a part of the text. */
  public Times estimate(List<Plan> plans, int[][] windows) {
    int[][] few = Arrays.copyOf(windows, Math.min(LayerStatistics.KEPT, windows.length));
    long start = System.nanoTime();
    Moments moments = new Calibration(source, products, few).layer(0);
    double calibration = seconds(start) * layers() * windows.length / few.length;
    List<Double> placements = new ArrayList<>();
    for (Plan plan : plans) {
      long before = System.nanoTime();
      try {
        check(plan.with(1));
        place(plan, moments);
        placements.add(seconds(before) * layers());
      } catch (LabException e) {
        placements.add(0.0);
      }
    }
    return new Times(calibration, placements);
  }

  private static double seconds(long since) {
    return (System.nanoTime() - since) / 1e9;
  }

  /** A layer by a plan, of whatever rank. */
  Placed.Layer place(Plan plan, Moments moments) {
    Placing placing = plan.method.placing(products, plan.fitting, plan.form != Form.COMPATIBLE);
    Placement placement = placing.place(moments, plan.rope);
    return new Placed.Layer(
        moments, placement, Factors.of(moments, placement, plan.method.metric()));
  }

  /** Writes the layers of a conversion to a folder that is not there yet. */
  void write(Stream<LatentLayer> layers, Form form, Path out) {
    try (ConvertedModel model = new ConvertedModel(source, form, out)) {
      layers.forEach(model::add);
      model.finish();
    }
  }

  /** The model's folder. */
  public Path directory() {
    return source.directory();
  }

  @Override
  public void close() {
    source.close();
  }
}
