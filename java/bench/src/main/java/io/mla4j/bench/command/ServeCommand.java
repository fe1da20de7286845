package io.mla4j.bench.command;

import io.mla4j.bench.BenchException;
import io.mla4j.bench.serve.Load;
import io.mla4j.bench.serve.LoadReport;
import io.mla4j.bench.serve.Soak;
import io.mla4j.cli.Args;
import io.mla4j.cli.StreamCommand;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** {@code mla4j bench serve}: load on a server that runs. */
final class ServeCommand extends StreamCommand {
  private static final double MOST_GROWTH = 0.02;
  private String url = "http://127.0.0.1:8080/v1";
  private Path keyFile;
  private String model;
  private List<Integer> clients = List.of(1);
  private int requests = 32;
  private int seconds = 60;
  private int prompt = 64;
  private int prefix;
  private int tokens = 64;
  private long seed;
  private boolean json;
  private Integer soak;

  @Override
  public void declare(Args args) {
    args.description(
        "Ask a server with OpenAI's interface for texts, and show tokens per second and times.",
        "It has to run already: mla4j serve, or another one.");
    args.one("--url URL", String.class, v -> url = v, "Where; default: " + url + ".");
    args.one(
        "--api-key-file FILE", Path.class, v -> keyFile = v, "A file whose first line is the key.");
    args.one("--model NAME", String.class, v -> model = v, "Default: the one that it has.");
    args.list(
        "--clients N,..",
        Integer.class,
        v -> clients = v,
        "Clients at once, a run for each number; default: 1.");
    args.one(
        "--requests N",
        int.class,
        v -> requests = v,
        "Requests of a run; default: " + requests + ".");
    args.one(
        "--seconds N",
        int.class,
        v -> seconds = v,
        "After so long no request begins; default: " + seconds + ".");
    args.one("--prompt N", int.class, v -> prompt = v, "Tokens of a prompt, about; default: 64.");
    args.one(
        "--shared-prefix N",
        int.class,
        v -> prefix = v,
        "Of these, those that all prompts begin with; default: 0.");
    args.one("--tokens N", int.class, v -> tokens = v, "Tokens of a text; default: 64.");
    args.one("--seed S", long.class, v -> seed = v, "Of the prompts; default: 0.");
    args.flag("--json", v -> json = v, "Print a JSON object for each run.");
    args.one(
        "--soak SECONDS",
        Integer.class,
        v -> soak = v,
        "Instead, misuse mla4j serve for so long: half of the clients leave, stall, send garbage"
            + " and exceed limits. Fails where a page is lost, a thread is left, memory grows by"
            + " more than 2 %%, or a proper request has no answer.");
  }

  @Override
  public void execute() throws IOException {
    check();
    String key = keyFile == null ? null : text(keyFile).lines().findFirst().orElse("").strip();
    for (int count : clients) {
      if (soak != null) {
        Soak.Findings findings = Soak.run(uri(), key, count, Duration.ofSeconds(soak));
        out().print(findings);
        if (!findings.areFine(MOST_GROWTH)) {
          throw new BenchException("the server did not keep what it has to");
        }
      } else {
        LoadReport report =
            Load.run(
                new Load.Options(
                    uri(),
                    key,
                    model,
                    count,
                    requests,
                    Duration.ofSeconds(seconds),
                    prompt,
                    prefix,
                    tokens,
                    seed));
        out().print(json ? report.json() + System.lineSeparator() : report.toString());
        out().flush();
      }
    }
  }

  private URI uri() {
    try {
      URI uri = URI.create(url);
      if (uri.getHost() != null && List.of("http", "https").contains(uri.getScheme())) {
        return uri;
      }
    } catch (IllegalArgumentException e) {
      throw usage("--url is " + url + ", which is no URL: " + e.getMessage());
    }
    throw usage("--url is " + url + ", but must be http or https with a host");
  }

  private void check() {
    for (int count : clients) {
      atLeast("--clients", count, 1);
    }
    atLeast("--requests", requests, 1);
    atLeast("--seconds", seconds, 1);
    atLeast("--prompt", prompt, 1);
    atLeast("--tokens", tokens, 1);
    if (prefix < 0 || prefix >= prompt) {
      throw usage("--shared-prefix is " + prefix + ", but must be in 0.." + (prompt - 1));
    }
    if (soak != null) {
      atLeast("--soak", soak, 1);
    }
  }

  private void atLeast(String name, int value, int least) {
    if (value < least) {
      throw usage(name + " is " + value + ", but must be at least " + least);
    }
  }
}
