package io.mla4j.cli;

import io.mla4j.AttentionForm;
import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.checkpoint.PositionOverride;
import io.mla4j.model.Decoder;
import io.mla4j.ops.Probabilities;
import io.mla4j.text.Model;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

/** The options of every command that runs a model. */
final class ModelOptions {
  private static final List<String> PINS = List.of("none", "shared");
  private static final int MAX_THREADS = 1024;

  Path model;
  String backend;
  String isa;
  int threads;
  ComputeType compute;
  CacheType cacheType;
  AttentionForm form = AttentionForm.AUTO;
  int probabilities = Probabilities.BITS_8.bits();
  Integer chunk;
  Integer page;
  String pin = "none";

  /** As given, or null. */
  String ropeScaling;

  boolean alibi;
  private CommandSpec spec;

  /** Adds the options to a command. */
  void declare(Args args) {
    declareDevice(args);
    args.one(
        "--form FORM",
        AttentionForm.class,
        v -> form = v,
        "Form of attention: auto, absorbed or decompressed; default: auto.");
    args.one(
        "--probabilities BITS",
        int.class,
        v -> probabilities = v,
        "8 or 15 bits of an attention's probability with --compute int8 over --cache-type int8;"
            + " default: 8, which is faster.");
    args.one("--chunk N", Integer.class, v -> chunk = v, "Tokens of a prefill step; default: 512.");
    declarePage(args);
    args.one(
        "--pin WHAT",
        String.class,
        v -> pin = v,
        "shared keeps the weights that every token reads in memory, for mixtures of experts that"
            + " are larger than it; default: none.");
  }

  /** Adds the size of the cache's pages. */
  void declarePage(Args args) {
    args.one(
        "--page N", Integer.class, v -> page = v, "Tokens of a page of the cache; default: 64.");
  }

  /** Adds those that override how positions are told. */
  void declarePositions(Args args) {
    args.one(
        "--rope-scaling HOW",
        String.class,
        v -> ropeScaling = v,
        "Override how the rotation is stretched: none, linear:F, ntk:F, dynamic:F, yarn:F,L0 or"
            + " longrope:FILE.");
    args.flag(
        "--alibi",
        v -> alibi = v,
        "Override the rotation by linear biases (ALiBi), also in a model that was not trained with"
            + " them.");
  }

  /** How positions are told instead of what the configuration says, or null. */
  private PositionOverride positions() {
    if (alibi && ropeScaling != null) {
      throw usage("--alibi and --rope-scaling exclude each other");
    }
    return alibi
        ? PositionOverride.alibi()
        : ropeScaling == null ? null : PositionOverride.rope(ropeScaling);
  }

  /** What the last line says of overrides behind a model's own summary. */
  String told() {
    PositionOverride positions = positions();
    return positions == null ? "" : ", " + positions + " in place of the configuration's";
  }

  /** Adds those that say which model is computed where, and with which types. */
  void declareDevice(Args args) {
    spec = args.spec();
    args.one(
        "--model DIR",
        Path.class,
        v -> model = v,
        "Folder with config.json and safetensors, or a GGUF file; default: the one that"
            + " comes along.");
    args.one(
        "--backend NAME",
        String.class,
        v -> backend = v,
        "Backend, see mla4j info; default: the fastest that works.");
    args.one(
        "--isa NAME",
        String.class,
        v -> isa = v,
        "Instruction set, see mla4j info; default: the fastest.");
    args.one(
        "--threads N",
        int.class,
        v -> threads = v,
        "Threads of an operation; default: the physical cores.");
    args.one(
        "--compute TYPE",
        ComputeType.class,
        v -> compute = v,
        "f32, bf16 or int8 (quantised weights times 8-bit activations); default: the fastest.");
    args.one(
        "--cache-type TYPE",
        CacheType.class,
        v -> cacheType = v,
        CacheType.names() + "; default: as --compute.");
  }

  /** Checks what does not depend on the machine or the model. */
  void check() {
    if (backend != null && !Backends.names().contains(backend)) {
      throw usage(
          "--backend is "
              + backend
              + ", but must be one of "
              + String.join(", ", Backends.names()));
    }
    range("--threads", threads, 0, MAX_THREADS);
    if (Stream.of(Probabilities.values()).noneMatch(p -> p.bits() == probabilities)) {
      throw usage("--probabilities is " + probabilities + ", but must be 8 or 15");
    }
    if (chunk != null) {
      range("--chunk", chunk, 1, 1 << 20);
    }
    if (page != null) {
      range("--page", page, 1, 1 << 20);
    }
    if (!PINS.contains(pin)) {
      throw usage("--pin is " + pin + ", but must be one of " + String.join(", ", PINS));
    }
  }

  /** The model's folder. */
  Path directory() {
    if (model != null) {
      return model;
    }
    String home = System.getProperty("mla4j.home");
    if (home == null) {
      throw usage("--model is missing (there is no default without -Dmla4j.home)");
    }
    return Path.of(home, "models", "tiny-mla");
  }

  /**
   * How to open the model. Shows on a terminal how far weights are copied to a device with memory
   * of its own.
   */
  Model.Builder builder(Streams streams) {
    check();
    Model.Builder builder =
        Model.builder(directory())
            .backend(backend)
            .isa(isa)
            .threads(threads)
            .compute(compute)
            .cacheType(cacheType)
            .form(form)
            .positions(positions())
            .probabilities(Probabilities.of(probabilities))
            .pinShared(pin.equals("shared"));
    if (page != null) {
      builder.pageSize(page);
    }
    if (chunk != null) {
      builder.chunk(chunk);
    }
    return streams.interactive() ? builder.onUpload(new UploadBar()) : builder;
  }

  /** A bar from the first copied bytes to the last. */
  private static final class UploadBar implements Decoder.UploadListener {
    private ProgressBar bar;

    @Override
    public void uploaded(long bytes, long all) {
      if (bar == null) {
        bar =
            new ProgressBarBuilder()
                .setTaskName("weights")
                .setUnit(" MiB", 1 << 20)
                .setInitialMax(all)
                .build();
      }
      bar.stepTo(bytes);
      if (bytes == all) {
        bar.close();
      }
    }
  }

  private void range(String name, int value, int least, int most) {
    if (value < least || value > most) {
      throw usage(name + " is " + value + ", but must be in " + least + ".." + most);
    }
  }

  private ParameterException usage(String message) {
    return new ParameterException(spec.commandLine(), message);
  }
}
