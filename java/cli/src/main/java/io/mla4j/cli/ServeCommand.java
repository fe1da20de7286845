package io.mla4j.cli;

import io.mla4j.ClosedException;
import io.mla4j.InvalidArgumentException;
import io.mla4j.Mla4jException;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.engine.Engine;
import io.mla4j.engine.EngineModel;
import io.mla4j.engine.EngineOptions;
import io.mla4j.server.Server;
import io.mla4j.server.ServerOptions;
import io.mla4j.text.Speculation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;

/** {@code mla4j serve}: OpenAI's HTTP interface, and a page to chat with, until it is stopped. */
final class ServeCommand extends StreamCommand {
  /** How long answers that run may go on when the process is told to end. */
  private static final Duration GRACE = Duration.ofSeconds(30);

  private final ModelOptions options = new ModelOptions();
  private final TemplateArguments template = new TemplateArguments(this);
  private final EngineOptions.Builder engine = EngineOptions.builder();
  private final ServerOptions.Builder server = ServerOptions.builder();
  private Path keys;

  /** Null for what the model has. */
  private Integer context;

  @Override
  public void declare(Args args) {
    args.description(
        "Serve a model: OpenAI's HTTP interface under /v1, metrics, and a page to chat with at /.",
        "Ctrl-C and SIGTERM let the answers that run end.");
    options.declareDevice(args);
    args.one("--port N", int.class, server::port, "The port; default: 8080, 0 takes a free one.");
    args.one(
        "--host NAME",
        String.class,
        server::host,
        "The address to listen at; default: 127.0.0.1, this machine alone.");
    args.one(
        "--api-key-file FILE",
        Path.class,
        v -> keys = v,
        "A key a line; a request has to bring one of them. What is cached is shared under one"
            + " key.");
    args.several(
        "--cors ORIGIN",
        String.class,
        false,
        server::origins,
        "An origin whose pages may ask, or *; may come several times.");
    args.one(
        "--name NAME",
        String.class,
        server::modelName,
        "What the model is called; default: its file or folder.");
    template.declareTemplate(args);
    args.one(
        "--parallel N",
        int.class,
        engine::parallel,
        "Texts that are written at once; others wait; default: 16.");
    args.one(
        "--context N",
        int.class,
        v -> context = v,
        "The most tokens of a prompt and its text; default: what the model has.");
    args.one(
        "--cache-memory SIZE",
        String.class,
        v -> engine.cacheMemory(read("--cache-memory", v, Units::parse)),
        "Memory of the cache, such as 2G; default: what --parallel texts need, at most a quarter of"
            + " the machine's.");
    options.declarePage(args);
    args.one(
        "--queue N",
        int.class,
        engine::queue,
        "Requests that may wait for their turn; default: 256.");
    args.one(
        "--speculate WAY",
        Speculation.class,
        engine::speculation,
        "Guess tokens from what followed the last ones before, and check several in a step where"
            + " that pays, which writes the same texts: lookup or off; default: lookup.");
  }

  @Override
  public void execute() throws IOException, InterruptedException {
    options.check();
    if (context != null) {
      if (context < 1) {
        throw usage("--context is " + context + ", but must be at least 1");
      }
      engine.contextTokens(context);
    }
    if (keys != null) {
      server.keys(keys(keys));
    }
    Path model = options.directory();
    if (Files.notExists(model)) {
      // Before the address is told.
      throw new CheckpointException(model + ": does not exist");
    }
    ServerOptions where = server();
    EngineOptions how = engineOptions();
    CountDownLatch end = new CountDownLatch(1);
    try (Server started = Server.start(where, () -> Engine.open(model, how))) {
      Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(started, end)));
      out().println(started.uri());
      endResults();
      tellWhenReady(started);
      end.await();
    }
  }

  private ServerOptions server() {
    try {
      return server.build();
    } catch (InvalidArgumentException e) {
      throw usage(e.getMessage());
    }
  }

  private EngineOptions engineOptions() throws IOException {
    engine
        .backend(options.backend)
        .isa(options.isa)
        .threads(options.threads)
        .compute(options.compute)
        .cacheType(options.cacheType)
        .template(template.named(options.directory()));
    if (options.page != null) {
      engine.pageSize(options.page);
    }
    try {
      return engine.build();
    } catch (InvalidArgumentException e) {
      throw usage(e.getMessage());
    }
  }

  private void tellWhenReady(Server started) {
    try {
      EngineModel model = started.ready().join().model();
      err().println(model.name() + ": " + model.summary());
    } catch (CompletionException e) {
      if (e.getCause() instanceof ClosedException) {
        return; // a signal came while the model was loaded
      }
      throw e.getCause() instanceof Mla4jException known
          ? known
          : new Mla4jException("the model cannot be opened: " + e.getCause(), e.getCause());
    }
  }

  private void stop(Server started, CountDownLatch end) {
    if (!started.stop(GRACE)) {
      err().println("mla4j: some answers were cut off");
    }
    end.countDown();
  }

  private void requireKey(Path file, int line, String key) {
    try {
      ServerOptions.builder().keys(key.isEmpty() ? List.of() : List.of(key)).build();
    } catch (InvalidArgumentException e) {
      throw usage("--api-key-file " + file + ", line " + line + ": " + e.getMessage());
    }
  }

  private List<String> keys(Path file) throws IOException {
    List<String> lines = text(file).lines().map(String::strip).toList();
    for (int i = 0; i < lines.size(); i++) {
      requireKey(file, i + 1, lines.get(i));
    }
    List<String> all = lines.stream().filter(key -> !key.isEmpty()).toList();
    if (all.isEmpty()) {
      throw usage("--api-key-file " + file + " has no key");
    }
    return all;
  }
}
