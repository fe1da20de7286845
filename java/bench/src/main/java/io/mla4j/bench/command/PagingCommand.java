package io.mla4j.bench.command;

import io.mla4j.bench.PagingBench;
import io.mla4j.cli.Args;
import io.mla4j.cli.StreamCommand;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** {@code mla4j bench paging}: a model in less memory than it takes. */
final class PagingCommand extends StreamCommand {
  private Path model;
  private double memory;
  private int tokens = 16;
  private int repetitions = 3;

  @Override
  public void declare(Args args) {
    args.description(
        "Generate with a model that is larger than memory: plainly mapped, with experts read"
            + " ahead, and with shared weights pinned, in turns. Needs Linux and the right to make"
            + " a control group.");
    args.required("--model DIR", Path.class, v -> model = v, "A folder or a GGUF file.");
    args.required(
        "--memory GIB", double.class, v -> memory = v, "What processes and cached files may take.");
    args.one("--tokens N", int.class, v -> tokens = v, "To generate; default: " + tokens + ".");
    args.one(
        "--repetitions N", int.class, v -> repetitions = v, "Turns; default: " + repetitions + ".");
  }

  @Override
  public void execute() {
    if (!(memory > 0 && memory <= 1 << 20)) {
      throw usage("--memory is " + memory + ", but must be above 0 and at most " + (1 << 20));
    }
    least("--tokens", tokens, 2);
    least("--repetitions", repetitions, 1);
    if (!Files.exists(model)) {
      throw usage("--model " + model + " is neither a folder nor a file");
    }
    String home = System.getProperty("mla4j.home");
    if (home == null) {
      throw usage("the script is unknown without -Dmla4j.home");
    }
    List<String> script = List.of(Path.of(home, "scripts", "mla4j").toString());
    new PagingBench(script, model, (long) (memory * (1L << 30)), tokens)
        .run(repetitions)
        .forEach(out()::println);
  }

  private void least(String option, int value, int least) {
    if (value < least) {
      throw usage(option + " is " + value + ", but must be at least " + least);
    }
  }
}
