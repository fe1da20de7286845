package io.mla4j.bench.command;

import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.Device;
import io.mla4j.bench.SweepBench;
import io.mla4j.bench.SweepReport;
import io.mla4j.bench.SweepResults;
import io.mla4j.checkpoint.OutputFile;
import io.mla4j.cli.Args;
import io.mla4j.cli.StreamCommand;
import io.mla4j.lab.Converter;
import io.mla4j.lab.Form;
import io.mla4j.lab.Method;
import io.mla4j.lab.command.TextArguments;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** {@code mla4j sweep}: what latent attention would save and cost, for many conversions at once. */
final class SweepCommand extends StreamCommand {
  private static final int MAX = 1 << 20;
  private static final String AUTO = "auto";

  private final TextArguments texts = new TextArguments();
  private Path model;
  private List<String> latents = List.of(AUTO);
  private List<Integer> ropes = List.of();
  private List<String> methods = List.of(Method.names().split(", "));
  private List<CacheType> types = List.of(CacheType.BF16, CacheType.INT8, CacheType.INT4);
  private int context = 8192;
  private boolean withoutSpeed;
  private String backend;
  private int threads;
  private Path json;
  private Path plot;

  @Override
  public void declare(Args args) {
    args.description(
        "Convert a model by many plans, without keeping the conversions, and say for each what it"
            + " saves and what it costs: perplexity, divergence, bytes, speed.");
    args.required(
        "--model DIR", Path.class, v -> model = v, "The model: safetensors; see mla4j convert.");
    args.list(
        "--latent R",
        String.class,
        v -> latents = v,
        "Elements of the latent; default: auto, five from 6/16 to 1/16 of what is cached now.");
    args.list(
        "--rope D",
        Integer.class,
        v -> ropes = v,
        "Rotated elements of the shared key; default: half a head, one, one and a half, two.");
    args.list(
        "--method NAME",
        String.class,
        v -> methods = v,
        Method.names() + "; default: all of them.");
    args.list(
        "--cache-type TYPE",
        CacheType.class,
        v -> types = v,
        CacheType.names() + "; default: bf16, int8, int4. Pictures of one type show the first.");
    texts.declare(args);
    args.one(
        "--context N",
        int.class,
        v -> context = v,
        "Cached tokens before those whose speed is measured; default: 8192.");
    args.flag("--without-speed", v -> withoutSpeed = v, "Measure no speed.");
    args.one(
        "--backend NAME",
        String.class,
        v -> backend = v,
        "Of a CPU, for all of it; default: the fastest.");
    args.one("--threads N", int.class, v -> threads = v, "Default: the physical cores.");
    args.one(
        "--json FILE",
        Path.class,
        v -> json = v,
        "The results; a sweep that was stopped goes on with what is there. Default: sweep.json in"
            + " the folder of --plot.");
    args.one("--plot DIR", Path.class, v -> plot = v, "Pictures, SVG and PNG.");
  }

  @Override
  public void execute() throws IOException {
    range("--tokens", texts.tokens(), 1);
    range("--from", texts.from(), 0);
    range("--context", context, 1);
    range("--threads", threads, 0);
    if (json == null && plot == null) {
      throw usage("--json or --plot is missing: results need a place");
    }
    if (plot != null) {
      Files.createDirectories(plot);
    }
    Path file = json != null ? json : plot.resolve("sweep.json");
    OutputFile.check(file);
    List<Method> chosen =
        methods.stream().map(name -> read("--method", name, Method::named)).distinct().toList();
    TextArguments.Files read = texts.read(StreamCommand::text);
    try (Device device = Backends.open(new Backends.Choice(backend, null, threads));
        Converter converter = Converter.open(model, device)) {
      List<Integer> rotated =
          ropes.isEmpty()
              ? Stream.of(1, 2, 3, 4).map(n -> n * converter.headWidth() / 2).toList()
              : ropes.stream().distinct().toList();
      List<Integer> ranks = latents(() -> SweepBench.usualLatents(converter));
      rotated.forEach(rope -> ranks.forEach(rank -> check(converter, rank, rope)));
      SweepBench.Plan plan =
          new SweepBench.Plan(
              chosen,
              rotated,
              ranks,
              types.stream().distinct().toList(),
              Method.Fitting.DEFAULT,
              withoutSpeed
                  ? null
                  : new SweepBench.Speed(device.backend(), device.threads(), context));
      SweepResults results =
          new SweepBench(converter, device, read.of(converter), plan, file, err()::println).run();
      SweepReport report = new SweepReport(results);
      out().print(report.markdown());
      out().flush();
      if (plot != null) {
        report.plot(plot).forEach(err()::println);
      }
    }
  }

  /** What no method can do is wrong here; what one of them cannot do is said in the report. */
  private static void check(Converter converter, int rank, int rope) {
    converter.check(
        new Converter.Plan(Method.FITTED, Method.Fitting.DEFAULT, Form.FULL, rank, rope));
  }

  private List<Integer> latents(Supplier<List<Integer>> usual) {
    if (latents.equals(List.of(AUTO))) {
      return usual.get();
    }
    return latents.stream()
        .map(
            text -> {
              try {
                return Integer.valueOf(text.strip());
              } catch (NumberFormatException e) {
                throw usage("--latent is " + text + ", but must be auto or numbers");
              }
            })
        .distinct()
        .toList();
  }

  private void range(String option, int value, int least) {
    if (value < least || value > MAX) {
      throw usage(option + " is " + value + ", but must be in " + least + ".." + MAX);
    }
  }
}
