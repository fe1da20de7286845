package io.mla4j.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import com.sun.management.OperatingSystemMXBean;
import io.mla4j.BackendException;
import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.Device;
import io.mla4j.MlaShape;
import io.mla4j.checkpoint.AttentionDescription;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.FfnDescription;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.model.DecoderOptions;
import io.mla4j.model.ModelReport;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;

/** {@code mla4j model}: what a model is and what it will cost, without loading it. */
final class ModelCommand extends StreamCommand {
  /** What the JVM, activations and the tokenizer take besides weights and cache. */
  private static final long REST = 300_000_000;

  private static final int DEFAULT_CONTEXT = 4096;

  Path path;
  Integer context;
  boolean json;

  /**
   * How it would be computed.
   *
   * @param reason why this instruction set, or why there is nothing that computes
   */
  private record Used(
      String backend, String isa, int threads, String reason, DecoderOptions options) {}

  /**
   * What it takes.
   *
   * @param context tokens
   * @param perLayer bytes of a token in one layer of the cache
   * @param perToken bytes of a token in all layers
   * @param cache bytes of all tokens
   * @param states bytes of the states of a sequence, where layers have some instead of a cache
   * @param expected resident bytes: weights, cache, states and the rest
   * @param machine bytes that this process may have
   */
  private record Cost(
      int context,
      long perLayer,
      long perToken,
      long cache,
      long states,
      long expected,
      long machine) {
    boolean fits() {
      return expected <= machine;
    }
  }

  @Override
  public void declare(Args args) {
    args.description("Show what a model is and what it will cost, without loading it.");
    args.positional(
        0,
        "PATH",
        Path.class,
        v -> path = v,
        "Folder with safetensors or a GGUF file, or the file.");
    args.one(
        "--context N",
        Integer.class,
        v -> context = v,
        "Tokens to count the cache for; default: 4096, or the model's where it has fewer.");
    args.flag("--json", v -> json = v, "Print one JSON object.");
  }

  @Override
  public void execute() throws IOException {
    if (context != null && context < 1) {
      throw usage("--context is " + context + ", but must be at least 1");
    }
    ModelReport report = ModelReport.of(path);
    if (report.isNothing()) {
      throw new CheckpointException(report.problems().getFirst());
    }
    Used used = used(report);
    Optional<Cost> cost = report.model().map(model -> cost(report, model, used));
    if (json) {
      JsonPrinter.print(streams.out(), out -> write(out, report, used, cost));
    } else {
      print(streams.out(), report, used, cost);
    }
    if (!report.problems().isEmpty()) {
      endResults();
      int count = report.problems().size();
      throw new CheckpointException(
          path + ": cannot run, for " + (count == 1 ? "one reason" : count + " reasons"));
    }
  }

  private static Used used(ModelReport report) {
    try (Device device = Backends.open()) {
      String reason =
          Backends.list().stream()
              .filter(status -> status.name().equals(device.backend()))
              .map(Backends.Status::reason)
              .findFirst()
              .orElse("");
      return new Used(
          device.backend(),
          device.isa(),
          device.threads(),
          reason,
          DecoderOptions.defaults(device, report.quantised()));
    } catch (BackendException e) {
      return new Used(null, null, 0, e.getMessage(), null);
    }
  }

  private Cost cost(ModelReport report, ModelDescription model, Used used) {
    CacheType type = used.options == null ? CacheType.F32 : used.options.cacheType();
    int tokens = context != null ? context : Math.min(DEFAULT_CONTEXT, model.context());
    long perLayer = model.cacheBytesPerLayer(type);
    long perToken = model.cacheBytesPerToken(type);
    long cache = Math.multiplyExact(perToken, (long) tokens);
    long machine =
        ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getTotalMemorySize();
    long states = model.stateBytes();
    long expected = report.weightBytes() + cache + states + REST;
    return new Cost(tokens, perLayer, perToken, cache, states, expected, machine);
  }

  private static String lower(Object value) {
    return value.toString().toLowerCase(Locale.ROOT);
  }

  private static long mixtures(ModelDescription model) {
    return model.layers().stream()
        .filter(
            layer -> layer.ffn() instanceof FfnDescription.Mixture || layer.shortcut().isPresent())
        .count();
  }

  private static String form(Used used) {
    return lower(used.options.form())
        + ": absorbed for a token, for many at once by what each form costs";
  }

  private static void print(PrintStream out, ModelReport report, Used used, Optional<Cost> cost) {
    out.println("path       " + report.path());
    out.println("format     " + report.format());
    report.model().ifPresent(model -> print(out, model));
    String title = "weights";
    for (ModelReport.Weights weights : report.weights()) {
      out.printf(
          Locale.ROOT,
          "%-10s %-8s %6d tensors %18d bytes %12s%n",
          title,
          weights.type(),
          weights.tensors(),
          weights.bytes(),
          Units.bytes(weights.bytes()));
      title = "";
    }
    cost.ifPresent(c -> print(out, c));
    out.println("tokenizer  " + report.text().tokenizer().orElse("none: ids alone can be given"));
    out.println("template   " + report.text().template().orElse("none"));
    if (used.options == null) {
      out.println("backend    none: " + used.reason);
    } else {
      out.printf("backend    %s, %d threads%n", used.backend, used.threads);
      // A backend that has a choice of instruction sets begins its reason with the one that it
      // took.
      boolean named = used.reason.startsWith(used.isa + ":");
      out.println("isa        " + (named ? "" : used.isa + ": ") + used.reason);
      out.println(
          "compute    "
              + lower(used.options.compute())
              + ", cache "
              + lower(used.options.cacheType()));
      out.println("form       " + form(used));
    }
    for (String problem : report.problems()) {
      out.println("problem    " + problem);
    }
  }

  private static void print(PrintStream out, ModelDescription model) {
    out.println("family     " + model.family());
    out.printf(
        "layers     %d, %d with experts%s%n",
        model.layers().size(),
        mixtures(model),
        model.stateLayers() == 0 ? "" : ", " + model.stateLayers() + " with a state, not a cache");
    out.println("attention  " + attention(model));
    out.printf(
        "width      hidden %d, vocabulary %d, context %d tokens%n",
        model.hidden(), model.vocabulary(), model.context());
  }

  private static String attention(ModelDescription model) {
    if (model.grouped().isPresent()) {
      AttentionDescription.Grouped g = model.grouped().get();
      return g.heads() + " heads of " + g.width() + ", keys and values of " + g.groups();
    }
    MlaShape s = model.shape();
    return String.format(
        "%d heads, latent %d + rope %d, nope %d, value %d",
        s.heads(), s.latent(), s.rope(), s.nope(), s.value());
  }

  private static void print(PrintStream out, Cost cost) {
    out.printf(
        "cache      %d bytes of a token and layer, %d of a token, %s for %d tokens%n",
        cost.perLayer, cost.perToken, Units.bytes(cost.cache), cost.context);
    if (cost.states > 0) {
      out.printf(
          "states     %s, whatever the number of tokens; they cannot be rewound%n",
          Units.bytes(cost.states));
    }
    out.printf(
        "memory     %s to expect, %s here: %s%n",
        Units.bytes(cost.expected),
        Units.bytes(cost.machine),
        cost.fits() ? "fits" : "does not fit, the disk will be read again and again");
  }

  private static void writeAttention(JsonGenerator out, ModelDescription model) throws IOException {
    if (model.grouped().isPresent()) {
      AttentionDescription.Grouped g = model.grouped().get();
      out.writeNumberField("heads", g.heads());
      out.writeNumberField("keyValueHeads", g.groups());
      out.writeNumberField("headWidth", g.width());
      return;
    }
    MlaShape s = model.shape();
    out.writeNumberField("heads", s.heads());
    out.writeNumberField("latent", s.latent());
    out.writeNumberField("rope", s.rope());
    out.writeNumberField("nope", s.nope());
    out.writeNumberField("value", s.value());
  }

  private static void write(JsonGenerator out, ModelReport report, Used used, Optional<Cost> cost)
      throws IOException {
    out.writeStringField("path", report.path().toString());
    out.writeStringField("format", report.format());
    if (report.model().isPresent()) {
      ModelDescription model = report.model().get();
      out.writeStringField("family", model.family());
      out.writeNumberField("layers", model.layers().size());
      out.writeNumberField("layersWithExperts", mixtures(model));
      out.writeNumberField("layersWithState", model.stateLayers());
      writeAttention(out, model);
      out.writeNumberField("hidden", model.hidden());
      out.writeNumberField("vocabulary", model.vocabulary());
      out.writeNumberField("contextOfModel", model.context());
    }
    out.writeArrayFieldStart("weights");
    for (ModelReport.Weights weights : report.weights()) {
      out.writeStartObject();
      out.writeStringField("type", weights.type());
      out.writeNumberField("tensors", weights.tensors());
      out.writeNumberField("bytes", weights.bytes());
      out.writeEndObject();
    }
    out.writeEndArray();
    if (cost.isPresent()) {
      write(out, cost.get());
    }
    out.writeStringField("tokenizer", report.text().tokenizer().orElse(null));
    out.writeStringField("template", report.text().template().orElse(null));
    out.writeStringField("backend", used.backend);
    out.writeStringField("isa", used.isa);
    out.writeStringField("reason", used.reason);
    out.writeNumberField("threads", used.threads);
    if (used.options != null) {
      out.writeStringField("computeType", lower(used.options.compute()));
      out.writeStringField("cacheType", lower(used.options.cacheType()));
      out.writeStringField("form", lower(used.options.form()));
    }
    out.writeArrayFieldStart("problems");
    for (String problem : report.problems()) {
      out.writeString(problem);
    }
    out.writeEndArray();
  }

  private static void write(JsonGenerator out, Cost cost) throws IOException {
    out.writeNumberField("context", cost.context);
    out.writeNumberField("cacheBytesPerTokenAndLayer", cost.perLayer);
    out.writeNumberField("cacheBytesPerToken", cost.perToken);
    out.writeNumberField("cacheBytes", cost.cache);
    out.writeNumberField("stateBytes", cost.states);
    out.writeNumberField("expectedBytes", cost.expected);
    out.writeNumberField("machineBytes", cost.machine);
    out.writeBooleanField("fits", cost.fits());
  }
}
