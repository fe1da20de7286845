package io.mla4j.text;

import io.mla4j.LatentCache;
import io.mla4j.checkpoint.CacheFile;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.WeightFingerprint;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Sessions that come from files. */
final class SavedSession {
  private SavedSession() {}

  static Session load(Model model, @Nullable SharedCache shared, Path file, int tokens) {
    requireFits(model, file);
    if (shared != null) {
      return new Session(model, file, shared.cache(), new SharedPrompt(shared, ""));
    }
    LatentCache cache = model.decoder().newCache(1, tokens);
    try {
      return new Session(model, file, cache, null);
    } catch (RuntimeException | Error e) {
      cache.close();
      throw e;
    }
  }

  /** What the file has, with ids and logits of the model's vocabulary. */
  static CacheFile.Loaded read(Model model, Path file, LatentCache cache) {
    CacheFile.Loaded loaded = CacheFile.load(file, cache, model.identity());
    int vocabulary = model.description().vocabulary();
    int[] ids = loaded.text().ids();
    float[] logits = loaded.text().logits();
    String wrong =
        Arrays.stream(ids).anyMatch(id -> id < 0 || id >= vocabulary)
            ? "ids that are none"
            : logits != null && logits.length != vocabulary ? logits.length + " logits" : "";
    if (!wrong.isEmpty()) {
      loaded.sequence().close();
      throw new CheckpointException(
          file + ": has " + wrong + ", but the model's vocabulary has " + vocabulary + " tokens");
    }
    return loaded;
  }

  /** Room for what a file has and {@code more}, as far as the context allows. */
  static int room(Model model, Path file, int more) {
    return (int) Math.min(model.description().context(), requireFits(model, file) + (long) more);
  }

  private static int requireFits(Model model, Path file) {
    int tokens = CacheFile.tokens(file);
    int context = model.description().context();
    if (tokens > context) {
      throw new CheckpointException(
          file + ": has " + tokens + " tokens, but the model's context is " + context);
    }
    return tokens;
  }

  /** What has to be the same where cached rows are used again. */
  static Map<String, String> identity(Checkpoint checkpoint, ModelDescription model) {
    Map<String, String> texts = new LinkedHashMap<>();
    texts.put("family", model.family());
    texts.put("layers", Integer.toString(model.layers().size()));
    texts.put("hidden", Integer.toString(model.hidden()));
    texts.put("vocabulary", Integer.toString(model.vocabulary()));
    texts.put("weights", WeightFingerprint.of(checkpoint));
    return texts;
  }
}
