package io.mla4j.lab.command;

import io.mla4j.Backends;
import io.mla4j.Device;
import io.mla4j.cli.Args;
import io.mla4j.cli.StreamCommand;
import io.mla4j.lab.Converter;
import io.mla4j.lab.Evaluation;
import io.mla4j.lab.Form;
import io.mla4j.lab.Method;
import io.mla4j.lab.Texts;
import io.mla4j.lab.Trial;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Locale;
import java.util.function.IntConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;

/** {@code mla4j convert}: grouped keys and values become latents, without training. */
final class ConvertCommand extends StreamCommand {
  private final TextArguments texts = new TextArguments();
  private Path model;
  private Path out;
  private String method = "fitted";
  private Integer latent;
  private Long budget;
  private boolean perLayer;
  private int rope;
  private int fold = Method.Fitting.DEFAULT.fold();
  private boolean compatible;
  private int threads;

  @Override
  public void declare(Args args) {
    args.description(
        "Turn a model with grouped keys and values (llama, mistral, qwen2) into one with multi-head"
            + " latent attention, without training, and say what it costs.");
    args.required("--model DIR", Path.class, v -> model = v, "The model: safetensors.");
    args.required("--out DIR", Path.class, v -> out = v, "The folder to make.");
    args.one("--latent R", Integer.class, v -> latent = v, "Elements of the latent.");
    args.one(
        "--budget BYTES",
        Long.class,
        v -> budget = v,
        "In place of --latent: bytes of a token in all layers, in bf16.");
    args.flag(
        "--per-layer",
        v -> perLayer = v,
        "A latent of its own width for each layer, in as many bytes. Keeps the statistics of all"
            + " layers in memory.");
    args.required("--rope D", int.class, v -> rope = v, "Rotated elements of the shared key.");
    texts.declare(args);
    args.one("--method NAME", String.class, v -> method = v, Method.names() + "; default: fitted.");
    args.one(
        "--fold F", int.class, v -> fold = v, "FreqFold of transmla, care and svd; default: 1.");
    args.flag(
        "--compatible",
        v -> compatible = v,
        "Write a deepseek_v3 checkpoint, which transformers loads, in place of mla4j's own form.");
    args.one("--threads N", int.class, v -> threads = v, "Default: the physical cores.");
  }

  @Override
  public void execute() throws IOException {
    if (texts.tokens() < 1) {
      throw usage("--tokens is " + texts.tokens() + ", but must be at least 1");
    }
    if (texts.from() < 0) {
      throw usage("--from is " + texts.from() + ", but must be at least 0");
    }
    if (fold < 1) {
      throw usage("--fold is " + fold + ", but must be at least 1");
    }
    if ((latent == null) == (budget == null)) {
      throw usage("one of --latent and --budget is needed");
    }
    if (perLayer && compatible) {
      throw usage("--compatible has one rank for all layers, but --per-layer is there");
    }
    Method chosen = read("--method", method, Method::named);
    Converter.Plan plan =
        new Converter.Plan(
            chosen,
            new Method.Fitting(Method.Fitting.DEFAULT.rho(), fold),
            compatible ? Form.COMPATIBLE : Form.FULL,
            latent == null ? 1 : latent,
            rope);
    Path folder = out.toAbsolutePath().normalize().getParent();
    if (Files.exists(out)) {
      throw usage("--out is " + out + ", which is there already; name another folder");
    }
    if (folder == null || !Files.isDirectory(folder)) {
      throw usage("--out is " + out + ", but there is no folder " + folder);
    }
    long start = System.nanoTime();
    try (Device device = Backends.open(new Backends.Choice(null, null, threads));
        Converter converter = Converter.open(model, device)) {
      converter.check(plan);
      Trial trial =
          run(
              device,
              converter,
              latent == null ? plan.with(converter.latentWithin(budget, rope)) : plan);
      print(converter, trial, (System.nanoTime() - start) / 1e9);
    }
  }

  private Trial run(Device device, Converter converter, Converter.Plan plan) throws IOException {
    Texts cut = texts.read(StreamCommand::text).of(converter);
    try (ProgressBar bar = progressBar(converter.layers() + Trial.EVALUATIONS)) {
      IntConsumer progress =
          _ -> {
            if (bar != null) {
              bar.step();
            }
          };
      Evaluation scored = new Evaluation(device, cut.scored(), cut.bos());
      if (!perLayer) {
        return Trial.run(converter, plan, cut.calibration(), scored, out, progress);
      }
      long within =
          budget != null
              ? budget
              : converter.bytes(Collections.nCopies(converter.layers(), latent), rope);
      return Trial.perLayer(converter, plan, within, cut.calibration(), scored, out, progress);
    }
  }

  private void print(Converter converter, Trial trial, double seconds) {
    double after = rope + trial.latents().stream().mapToInt(width -> width).average().orElseThrow();
    out()
        .printf(
            Locale.ROOT,
            "cached numbers of a token and layer: %.4g, were %d (%.1f %%)%n",
            after,
            converter.cachedNumbers(),
            100 * after / converter.cachedNumbers());
    out()
        .printf(
            Locale.ROOT,
            "bytes of a token in bf16: %d, were %d%n",
            converter.bytes(trial.latents(), rope),
            converter.cachedBytes());
    if (perLayer) {
      out().println("latents of the layers: " + trial.latents());
    }
    line("original", trial.original(), trial.original());
    line("placement of the rotation alone", trial.placed(), trial.original());
    line("placement and rank", trial.converted(), trial.original());
    out().flush();
    err().printf(Locale.ROOT, "%s in %.1f s%n", out, seconds);
  }

  private void line(String name, double perplexity, double original) {
    out()
        .printf(
            Locale.ROOT,
            "perplexity, %s: %.3f (%+.1f %%)%n",
            name,
            perplexity,
            100 * (perplexity / original - 1));
  }

  private ProgressBar progressBar(int steps) {
    return interactive()
        ? new ProgressBarBuilder().setTaskName("convert").setInitialMax(steps).build()
        : null;
  }
}
