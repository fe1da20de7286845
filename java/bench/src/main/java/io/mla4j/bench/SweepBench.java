package io.mla4j.bench;

import io.mla4j.CacheType;
import io.mla4j.Device;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.lab.Calibrated;
import io.mla4j.lab.Converter;
import io.mla4j.lab.Evaluation;
import io.mla4j.lab.Form;
import io.mla4j.lab.LabException;
import io.mla4j.lab.Method;
import io.mla4j.lab.Placed;
import io.mla4j.lab.Scratch;
import io.mla4j.lab.Texts;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/**
 * Converts a model by many plans and measures each under many cache types: perplexity, divergence,
 * bytes, speed. The calibration text is read once; what a file has already is not computed again,
 * and every point is written to it as soon as it is there.
 */
public final class SweepBench {
  private final Converter converter;
  private final Device device;
  private final Texts texts;
  private final Plan plan;
  private final Path file;
  private final Consumer<String> progress;
  private final SweepResults results;

  /**
   * What is tried: all combinations.
   *
   * @param methods of conversion
   * @param ropes rotated elements of the shared key
   * @param latents elements of the latent
   * @param types of the cache
   * @param fitting what methods are told
   * @param speed how speed is measured, or null
   */
  public record Plan(
      List<Method> methods,
      List<Integer> ropes,
      List<Integer> latents,
      List<CacheType> types,
      Method.Fitting fitting,
      Speed speed) {
    Converter.Plan conversion(Method method, int rope) {
      return new Converter.Plan(method, fitting, Form.FULL, 1, rope);
    }
  }

  /**
   * How speed is measured.
   *
   * @param context cached tokens before those that are timed
   */
  public record Speed(String backend, int threads, int context) {}

  /** A method and a share of rotation, with the latents for which some point is missing. */
  private record Group(Method method, int rope, List<Integer> latents) {}

  /**
   * A sweep.
   *
   * @param device reads the texts; stays open
   * @param file of results, which is continued
   * @param progress takes lines
   * @throws BenchException where the file holds something else
   */
  public SweepBench(
      Converter converter,
      Device device,
      Texts texts,
      Plan plan,
      Path file,
      Consumer<String> progress) {
    this.converter = converter;
    this.device = device;
    this.texts = texts;
    this.plan = plan;
    this.file = file;
    this.progress = progress;
    results =
        SweepResults.read(
            file, SweepIdentity.of(converter.directory(), texts, plan), converter.cachedNumbers());
  }

  /** Latents from a sixteenth to three eighths of what the original caches. */
  public static List<Integer> usualLatents(Converter converter) {
    return IntStream.of(6, 4, 3, 2, 1).mapToObj(n -> n * converter.cachedNumbers() / 16).toList();
  }

  /** Computes what is missing. */
  public SweepResults run() {
    List<Group> groups = missing();
    boolean originals = plan.types.stream().anyMatch(type -> !has(SweepResults.ORIGINAL, type));
    if (groups.isEmpty() && !originals) {
      return results;
    }
    try (Scratch scratch = Scratch.in(Path.of(System.getProperty("java.io.tmpdir")));
        DecodeSpeed speed =
            plan.speed == null
                ? null
                : new DecodeSpeed(
                    converter.directory(),
                    plan.speed.backend,
                    plan.speed.threads,
                    plan.speed.context)) {
      SweepClock clock = clock(groups);
      progress.accept(clock.estimate());
      measure(SweepResults.ORIGINAL, 0, 0, converter.directory(), speed);
      if (!groups.isEmpty()) {
        Calibrated calibrated = converter.calibrate(texts.calibration(), _ -> {});
        clock.calibrated();
        for (Group group : groups) {
          run(group, calibrated, scratch.folder(), speed, clock);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return results;
  }

  private List<Group> missing() {
    List<Group> groups = new ArrayList<>();
    for (Method method : plan.methods) {
      for (int rope : plan.ropes) {
        if (results.placement(name(method), rope).filter(p -> p.refused() != null).isPresent()) {
          continue;
        }
        List<Integer> latents =
            plan.latents.stream()
                .filter(latent -> latent <= converter.widestLatent(rope))
                .filter(latent -> !missingTypes(name(method), rope, latent).isEmpty())
                .toList();
        if (!latents.isEmpty() || results.placement(name(method), rope).isEmpty()) {
          groups.add(new Group(method, rope, latents));
        }
      }
    }
    return groups;
  }

  private List<CacheType> missingTypes(String method, int rope, int latent) {
    return plan.types.stream()
        .filter(type -> results.point(method, rope, latent, name(type)).isEmpty())
        .toList();
  }

  private boolean has(String method, CacheType type) {
    return results.point(method, 0, 0, name(type)).isPresent();
  }

  private SweepClock clock(List<Group> groups) {
    int[] first = Arrays.copyOf(texts.scored(), Math.min(texts.scored().length, SweepClock.PILOT));
    long start = System.nanoTime();
    new Evaluation(device, first, texts.bos())
        .compare(converter.directory(), converter.directory(), plan.types.subList(0, 1));
    double read = (System.nanoTime() - start) / 2e9 * texts.scored().length / first.length;
    Converter.Times times =
        converter.estimate(
            groups.stream().map(g -> plan.conversion(g.method, g.rope)).toList(),
            texts.calibration());
    int all = groups.stream().mapToInt(g -> g.latents.size()).sum();
    return new SweepClock(
        new SweepClock.Costs(
            read, plan.types.size(), plan.speed == null ? 0 : DecodeSpeed.SECONDS, times),
        all);
  }

  private void run(
      Group group, Calibrated calibrated, Path folder, DecodeSpeed speed, SweepClock clock) {
    String method = name(group.method);
    Converter.Plan conversion = plan.conversion(group.method, group.rope);
    Placed placed;
    try {
      placed = calibrated.place(conversion);
    } catch (LabException e) {
      results
          .placements()
          .add(new SweepResults.Placement(method, group.rope, null, List.of(), e.getMessage()));
      results.write(file);
      progress.accept(method + ", rope " + group.rope + ": refused, " + e.getMessage());
      clock.placed(group.latents.size());
      return;
    }
    clock.placed(0);
    if (results.placement(method, group.rope).isEmpty()) {
      double perplexity =
          with(
              placed,
              converter.widestLatent(group.rope),
              folder,
              whole ->
                  new Evaluation(device, texts.scored(), texts.bos())
                      .compare(converter.directory(), whole, List.of(CacheType.F32))
                      .getFirst()
                      .perplexity());
      results
          .placements()
          .add(new SweepResults.Placement(method, group.rope, perplexity, placed.spectra(), null));
      results.write(file);
    }
    for (int latent : group.latents) {
      with(
          placed,
          latent,
          folder,
          made -> {
            measure(method, group.rope, latent, made, speed);
            return null;
          });
      SweepResults.Point point =
          results.point(method, group.rope, latent, name(plan.types.getFirst())).orElseThrow();
      progress.accept(
          String.format(
              Locale.ROOT,
              "%s: perplexity %.2f (%+.1f %%); %s",
              point.label(),
              point.perplexity(),
              100 * (point.perplexity() / results.original().perplexity() - 1),
              clock.measured()));
    }
  }

  /** What is done with a conversion in a folder of its own. */
  private interface Use<T> {
    T of(Path folder);
  }

  private static <T> T with(Placed placed, int latent, Path folder, Use<T> use) {
    try (Scratch scratch = Scratch.in(folder)) {
      Path made = scratch.folder().resolve("model");
      placed.write(latent, made);
      return use.of(made);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void measure(String method, int rope, int latent, Path model, DecodeSpeed speed) {
    List<CacheType> types = missingTypes(method, rope, latent);
    if (types.isEmpty()) {
      return;
    }
    List<Evaluation.Score> scores =
        new Evaluation(device, texts.scored(), texts.bos())
            .compare(converter.directory(), model, types);
    for (int i = 0; i < types.size(); i++) {
      results
          .points()
          .add(
              new SweepResults.Point(
                  method,
                  rope,
                  latent,
                  name(types.get(i)),
                  ConfigReader.read(model).cacheBytesPerToken(types.get(i)),
                  scores.get(i).perplexity(),
                  scores.get(i).divergence(),
                  speed == null ? null : speed.measure(model, types.get(i))));
    }
    results.write(file);
  }

  private static String name(Method method) {
    return method.optionName();
  }

  private static String name(CacheType type) {
    return type.name().toLowerCase(Locale.ROOT);
  }
}
