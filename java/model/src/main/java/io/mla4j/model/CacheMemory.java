package io.mla4j.model;

import io.mla4j.CacheType;
import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.checkpoint.AttentionDescription;
import io.mla4j.checkpoint.ModelDescription;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/**
 * What a model's cache costs, under attention with as many key and value heads as queries (MHA),
 * with some groups (GQA), with one (MQA), and with a latent (MLA) where the model has one.
 *
 * <p>Numbers of a token and layer: {@code heads numbers}, {@code min(groups, heads) numbers},
 * {@code numbers}, {@code latent + rope} (DeepSeek-V2, table 1). Groups are the model's own, or 8
 * where it has none or as many as heads. Indexer keys of sparse attention are not counted.
 *
 * @param heads of the queries
 * @param numbers of the key and the value of a head: {@code nope + rope + value}
 * @param stored what the model caches itself
 * @param layers layers that have a cache
 */
public record CacheMemory(int heads, int numbers, Stored stored, int layers) {
  private static final int GROUPS = 8;

  /** Tokens of a page, of which a cache has whole ones. */
  private static final int PAGE = 64;

  /**
   * Rows of a {@link io.mla4j.LatentCache} for a token and layer.
   *
   * @param form {@code MLA}: a latent and the rotated key; {@code MHA}, {@code GQA}, {@code MQA}: a
   *     value and its key, for each group
   * @param rows how many
   * @param latent numbers of a latent or value
   * @param rope numbers of a rotated key
   */
  public record Stored(String form, int rows, int latent, int rope) {
    long bytes(CacheType type) {
      return rows * new LatentLayout(latent, rope, type).tokenBytes();
    }

    long numbers() {
      return (long) rows * (latent + rope);
    }
  }

  /**
   * One way to keep the cache.
   *
   * @param form {@code MHA}, {@code GQA}, {@code MQA}, {@code MLA}
   * @param type type of the numbers
   * @param padded whether {@link #bytesPerLayer} is what a {@link io.mla4j.LatentCache} stores,
   *     with the padding of its rows
   * @param bytesPerLayer bytes of one token in one layer
   * @param bytesPerToken bytes of one token in all layers
   * @param bytes bytes of all tokens
   */
  public record Row(
      String form,
      CacheType type,
      boolean padded,
      long bytesPerLayer,
      long bytesPerToken,
      long bytes) {}

  /**
   * What a device holds that has nothing else in its memory: no weights, no activations.
   *
   * @param row the way to keep the cache
   * @param longest tokens of the longest sequence, 0 where not even one page fits
   * @param sequences how many of the context that was asked for
   * @param devices how many of them the cache of the whole batch takes
   */
  public record Fit(Row row, long longest, long sequences, long devices) {}

  /**
   * The cache of {@code model}.
   *
   * @throws InvalidArgumentException where its layers have latents of several widths
   */
  public static CacheMemory of(ModelDescription model) {
    if (!model.furtherRows(CacheType.BF16).isEmpty()) {
      throw new InvalidArgumentException(
          "the model's layers have latents of several widths: mla4j info tells their bytes");
    }
    return model
        .grouped()
        .map(grouped -> ofGroups(grouped, model.layers().size()))
        .orElseGet(() -> ofLatents(model.shape(), model.cacheLayers()));
  }

  /** The cache of a model whose layers attend to latents of this shape. */
  public static CacheMemory ofLatents(MlaShape shape, int layers) {
    Stored stored = new Stored("MLA", 1, shape.latent(), shape.rope());
    return new CacheMemory(shape.heads(), shape.query() + shape.value(), stored, layers);
  }

  /** The cache of a model whose heads share the keys and values of groups. */
  public static CacheMemory ofGroups(int heads, int groups, int width, int layers) {
    String form = groups == heads ? "MHA" : groups == 1 ? "MQA" : "GQA";
    return new CacheMemory(heads, 2 * width, new Stored(form, groups, width, width), layers);
  }

  private static CacheMemory ofGroups(AttentionDescription.Grouped grouped, int layers) {
    return ofGroups(grouped.heads(), grouped.groups(), grouped.width(), layers);
  }

  /**
   * Every way to keep the cache: the forms in bf16 without padding, then the model's own as it is
   * stored, in each type.
   *
   * @param context tokens of a sequence, 1 or more
   * @param batch sequences, 1 or more
   * @throws InvalidArgumentException where an argument is below 1 or the bytes are 2^63 or more
   */
  public List<Row> rows(long context, long batch) {
    if (context < 1) {
      throw new InvalidArgumentException("context is " + context + ", but must be at least 1");
    }
    if (batch < 1) {
      throw new InvalidArgumentException("batch is " + batch + ", but must be at least 1");
    }
    boolean grouped = stored.form.equals("GQA");
    List<Row> rows = new ArrayList<>();
    rows.add(exact("MHA", (long) heads * numbers, context, batch));
    rows.add(
        exact(
            "GQA",
            (long) numbers * Math.min(grouped ? stored.rows : GROUPS, heads),
            context,
            batch));
    rows.add(exact("MQA", numbers, context, batch));
    if (stored.form.equals("MLA")) {
      rows.add(exact("MLA", stored.numbers(), context, batch));
    }
    for (CacheType type : CacheType.all()) {
      rows.add(row(stored.form, type, true, stored.bytes(type), context, batch));
    }
    return rows;
  }

  /**
   * What fits into a device: the forms that the model does not have without padding, and its own as
   * it is stored, whose sequences have whole pages.
   *
   * @param device bytes of the device, 1 or more
   * @param context tokens of a sequence, 1 or more
   * @param batch sequences that {@link Fit#devices} are for
   * @throws InvalidArgumentException as {@link #rows}, or naming the device
   */
  public List<Fit> fits(long device, long context, long batch) {
    if (device < 1) {
      throw new InvalidArgumentException("device is " + device + ", but must be at least 1");
    }
    return rows(context, batch).stream()
        .filter(row -> row.padded || !row.form.equals(stored.form))
        .map(row -> fit(row, device, context, batch))
        .toList();
  }

  private static Fit fit(Row row, long device, long context, long batch) {
    long page = row.padded ? PAGE : 1;
    long pageBytes = page * row.bytesPerToken;
    long pages = Math.ceilDiv(context, page);
    long each = below63(context, batch, () -> Math.multiplyExact(pages, pageBytes));
    long all = below63(context, batch, () -> Math.multiplyExact(each, batch));
    return new Fit(row, device / pageBytes * page, device / each, Math.ceilDiv(all, device));
  }

  private Row exact(String form, long each, long context, long batch) {
    return row(form, CacheType.BF16, false, each * Short.BYTES, context, batch);
  }

  private Row row(
      String form, CacheType type, boolean padded, long bytesPerLayer, long context, long batch) {
    long bytesPerToken = bytesPerLayer * layers;
    long bytes =
        below63(
            context,
            batch,
            () -> Math.multiplyExact(Math.multiplyExact(bytesPerToken, context), batch));
    return new Row(form, type, padded, bytesPerLayer, bytesPerToken, bytes);
  }

  private static long below63(long context, long batch, Supplier<Long> bytes) {
    try {
      return bytes.get();
    } catch (ArithmeticException e) {
      throw new InvalidArgumentException(
          "context is "
              + context
              + " and batch "
              + batch
              + ", but the cache must be below 2^63 bytes");
    }
  }
}
