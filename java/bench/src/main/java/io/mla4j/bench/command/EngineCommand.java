package io.mla4j.bench.command;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.mla4j.bench.engine.EngineBench;
import io.mla4j.cli.Args;
import io.mla4j.cli.StreamCommand;
import io.mla4j.model.DecoderOptions;
import io.mla4j.text.Speculation;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;

/** {@code mla4j bench engine}: texts of an engine in this process, without HTTP. */
final class EngineCommand extends StreamCommand {
  private static final ObjectMapper JSON = new ObjectMapper();
  private Path model;
  private String backend;
  private int threads;
  private int page = DecoderOptions.DEFAULT_PAGE_SIZE;
  private List<Integer> clients = List.of(1, 8, 16);
  private int requests = 2;
  private int prompt = 64;
  private int tokens = 64;
  private boolean samples;
  private int longPrompt;
  private int turns;
  private int pause = 1000;
  private Speculation speculation = Speculation.OFF;
  private boolean json;

  @Override
  public void declare(Args args) {
    args.description(
        "Write texts with an engine, without HTTP, and show tokens per second and times.",
        "Prompts are made-up ids.");
    args.one("--model PATH", Path.class, v -> model = v, "Folder or GGUF file.");
    args.one("--backend NAME", String.class, v -> backend = v, "Default: the fastest.");
    args.one(
        "--threads N", int.class, v -> threads = v, "Of an operation; default: physical cores.");
    args.one("--page N", int.class, v -> page = v, "Tokens of a page of the cache; default: 64.");
    args.list(
        "--clients N,..",
        Integer.class,
        v -> clients = v,
        "Clients at once, a run for each number; default: 1,8,16.");
    args.one("--requests N", int.class, v -> requests = v, "Requests of a client; default: 2.");
    args.one("--prompt N", int.class, v -> prompt = v, "Tokens of a prompt; default: 64.");
    args.one("--tokens N", int.class, v -> tokens = v, "Tokens of a text; default: 64.");
    args.flag(
        "--sampled",
        v -> samples = v,
        "Every second text is sampled, with --top-k 40 of generate.");
    args.one(
        "--long-prompt N",
        int.class,
        v -> longPrompt = v,
        "Instead, so many tokens of a prompt beside the texts of the clients but one: how much"
            + " longer their steps take.");
    args.one(
        "--turns N",
        int.class,
        v -> turns = v,
        "Instead, a conversation with so many questions of --prompt tokens and answers of"
            + " --tokens: how much of it is computed again.");
    args.one(
        "--pause-ms N",
        int.class,
        v -> pause = v,
        "How long somebody thinks before each further question; default: 1000.");
    args.one(
        "--speculate WAY",
        Speculation.class,
        v -> speculation = v,
        "Guess tokens: lookup or off; default: off, since made-up models repeat themselves.");
    args.flag("--json", v -> json = v, "Print a JSON object for each run.");
  }

  @Override
  public void execute() throws IOException {
    check();
    EngineBench.Options options =
        new EngineBench.Options(
            model, backend, threads, page, prompt, tokens, requests, speculation);
    int most = Collections.max(clients);
    int context =
        turns > 0
            ? turns * (prompt + tokens)
            : longPrompt > 0 ? longPrompt + 1 + prompt : prompt + tokens;
    try (EngineBench bench = EngineBench.open(options, most, context)) {
      err().println(bench.summary());
      if (turns > 0) {
        print(bench.turns(turns, pause));
      } else {
        for (int count : clients) {
          print(
              longPrompt > 0
                  ? bench.longPrompt(count - 1, longPrompt)
                  : bench.clients(count, samples));
        }
      }
    }
  }

  private void print(Object report) throws IOException {
    out().print(json ? JSON.writeValueAsString(report) + System.lineSeparator() : report);
    out().flush();
  }

  private void check() {
    if (model == null) {
      throw usage("--model is missing");
    }
    for (int count : clients) {
      atLeast("--clients", count, longPrompt > 0 ? 2 : 1);
    }
    atLeast("--threads", threads, 0);
    atLeast("--page", page, 1);
    atLeast("--requests", requests, 1);
    atLeast("--prompt", prompt, 1);
    atLeast("--tokens", tokens, 1);
    atLeast("--long-prompt", longPrompt, 0);
    atLeast("--pause-ms", pause, 0);
    if (turns != 0) {
      atLeast("--turns", turns, 2);
    }
  }

  private void atLeast(String name, int value, int least) {
    if (value < least) {
      throw usage(name + " is " + value + ", but must be at least " + least);
    }
  }
}
