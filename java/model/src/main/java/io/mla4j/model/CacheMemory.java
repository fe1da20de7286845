package io.mla4j.model;

import io.mla4j.CacheType;
import io.mla4j.InvalidArgumentException;
import io.mla4j.LatentLayout;
import io.mla4j.MlaShape;
import io.mla4j.checkpoint.ModelDescription;
import java.util.ArrayList;
import java.util.List;

/**
 * What a model's cache costs, under attention with as many key and value heads as queries (MHA),
 * with 8 groups (GQA), with one (MQA), and with a latent (MLA).
 *
 * <p>Numbers of a token and layer, keys having {@code nope + rope} and values {@code value}: {@code
 * heads (nope + rope + value)}, {@code min(8, heads) (nope + rope + value)}, {@code nope + rope +
 * value}, {@code latent + rope} (DeepSeek-V2, table 1). Indexer keys of sparse attention are not
 * counted.
 *
 * @param shape the attention of every layer
 * @param layers layers that have a cache
 */
public record CacheMemory(MlaShape shape, int layers) {
  private static final int GROUPS = 8;

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

  /** The cache of {@code model}. */
  public static CacheMemory of(ModelDescription model) {
    return new CacheMemory(model.shape(), model.cacheLayers());
  }

  /**
   * Every way to keep the cache: the four forms in bf16 without padding, then the latent cache as
   * it is stored, in each type.
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
    int head = shape.query() + shape.value();
    List<Row> rows = new ArrayList<>();
    rows.add(exact("MHA", (long) shape.heads() * head, context, batch));
    rows.add(exact("GQA", (long) Math.min(GROUPS, shape.heads()) * head, context, batch));
    rows.add(exact("MQA", head, context, batch));
    rows.add(exact("MLA", shape.cached(), context, batch));
    for (CacheType type : CacheType.all()) {
      long stride = LatentLayout.of(shape, type).tokenBytes();
      rows.add(row("MLA", type, true, stride, context, batch));
    }
    return rows;
  }

  private Row exact(String form, long numbers, long context, long batch) {
    return row(form, CacheType.BF16, false, numbers * Short.BYTES, context, batch);
  }

  private Row row(
      String form, CacheType type, boolean padded, long bytesPerLayer, long context, long batch) {
    try {
      long bytesPerToken = Math.multiplyExact(bytesPerLayer, layers);
      long bytes = Math.multiplyExact(Math.multiplyExact(bytesPerToken, context), batch);
      return new Row(form, type, padded, bytesPerLayer, bytesPerToken, bytes);
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
