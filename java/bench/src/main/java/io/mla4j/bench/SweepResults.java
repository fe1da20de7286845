package io.mla4j.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import io.mla4j.checkpoint.OutputFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a sweep has found so far, as its file has it.
 *
 * @param about what all of it was computed from: the model, the texts, what speed was measured with
 * @param numbers that the original caches for a token in a layer
 * @param placements for each method and share of rotation
 * @param points of the original, and of every conversion under every cache type
 */
public record SweepResults(
    Map<String, String> about, int numbers, List<Placement> placements, List<Point> points) {
  /** The method of what was not converted. */
  public static final String ORIGINAL = "original";

  private static final ObjectMapper MAPPER =
      new ObjectMapper()
          .enable(SerializationFeature.INDENT_OUTPUT)
          .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES);

  /**
   * All conversions that differ in their latent alone.
   *
   * @param method by name
   * @param rope rotated elements of the shared key
   * @param perplexity with the widest latent: what the rotation costs alone; null where refused
   * @param spectra for each layer the squared singular values of what is cached without rotation
   * @param refused why there is no such conversion, or null
   */
  public record Placement(
      String method, int rope, Double perplexity, List<double[]> spectra, String refused) {}

  /**
   * A conversion under a cache type.
   *
   * @param method by name, or {@link #ORIGINAL}
   * @param rope rotated elements of the shared key
   * @param latent elements of the latent
   * @param cache its type, by name
   * @param bytes of the cache for a token in all layers
   * @param perplexity in float32 over this cache
   * @param divergence mean KL from the original over a float32 cache, in nats a token
   * @param speed null where it was not measured
   */
  public record Point(
      String method,
      int rope,
      int latent,
      String cache,
      long bytes,
      double perplexity,
      double divergence,
      DecodeSpeed.Speed speed) {
    /** Its name without the cache type. */
    String label() {
      return method.equals(ORIGINAL) ? method : method + ", rope " + rope + ", latent " + latent;
    }
  }

  /** Nothing yet. */
  static SweepResults of(Map<String, String> about, int numbers) {
    return new SweepResults(about, numbers, new ArrayList<>(), new ArrayList<>());
  }

  /**
   * Goes on with what a file has, or begins where there is none.
   *
   * @throws BenchException where the file is of something else
   */
  static SweepResults read(Path file, Map<String, String> about, int numbers) {
    if (!Files.exists(file)) {
      return of(about, numbers);
    }
    SweepResults found;
    try {
      found = MAPPER.readValue(file.toFile(), SweepResults.class);
    } catch (JsonProcessingException e) {
      throw new BenchException(
          file + ": holds no results of a sweep: " + e.getOriginalMessage(), e);
    } catch (IOException e) {
      throw new BenchException(file + ": cannot be read: " + e.getMessage(), e);
    }
    if (found.about == null || found.placements == null || found.points == null) {
      throw new BenchException(file + ": holds no results of a sweep");
    }
    about.forEach(
        (key, value) -> {
          if (!value.equals(found.about.get(key))) {
            throw new BenchException(
                file
                    + ": holds results of another sweep: "
                    + key
                    + " is "
                    + found.about.get(key)
                    + ", now "
                    + value
                    + "; name another file");
          }
        });
    return new SweepResults(
        found.about, numbers, new ArrayList<>(found.placements), new ArrayList<>(found.points));
  }

  /** Writes all of it, at once. */
  void write(Path file) {
    try {
      OutputFile.write(file, MAPPER.writeValueAsString(this) + "\n");
    } catch (JsonProcessingException e) {
      throw new BenchException(file + ": cannot be written: " + e.getOriginalMessage(), e);
    }
  }

  Optional<Placement> placement(String method, int rope) {
    return placements.stream().filter(p -> p.method.equals(method) && p.rope == rope).findFirst();
  }

  Optional<Point> point(String method, int rope, int latent, String cache) {
    return points.stream()
        .filter(
            p ->
                p.method.equals(method)
                    && p.rope == rope
                    && p.latent == latent
                    && p.cache.equals(cache))
        .findFirst();
  }

  /** The original under the first cache type. */
  Point original() {
    return points.stream().filter(p -> p.method.equals(ORIGINAL)).findFirst().orElseThrow();
  }

  /** Points that no other one of these beats in bytes and perplexity, by bytes. */
  static List<Point> front(List<Point> points) {
    List<Point> sorted = new ArrayList<>(points);
    sorted.sort(
        (a, b) ->
            a.bytes != b.bytes
                ? Long.compare(a.bytes, b.bytes)
                : Double.compare(a.perplexity, b.perplexity));
    List<Point> front = new ArrayList<>();
    for (Point point : sorted) {
      if (front.isEmpty() || point.perplexity < front.getLast().perplexity) {
        front.add(point);
      }
    }
    return front;
  }
}
