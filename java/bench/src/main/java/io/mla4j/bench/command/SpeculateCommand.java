package io.mla4j.bench.command;

import io.mla4j.Backends;
import io.mla4j.Mla4jException;
import io.mla4j.bench.EditBench;
import io.mla4j.bench.SpeculationBench;
import io.mla4j.cli.Args;
import io.mla4j.text.Model;
import io.mla4j.text.Speculation;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** {@code mla4j bench speculate}: generation with guessed tokens next to plain generation. */
final class SpeculateCommand extends ReadingCommand {
  private List<Speculation> kinds = List.of(Speculation.LOOKUP);
  private int prompts = 10;
  private int prompt = 128;
  private int tokens = 96;
  private int repetitions = 3;
  private boolean twice;

  /** 0: nothing is edited. */
  private int edit;

  @Override
  public void declare(Args args) {
    args.description(
        "Continue pieces of a text with guessed tokens and without, in turns, every other piece"
            + " greedily and the others sampled; fails where an id differs.");
    declareReading(args, "Default: the fastest that works.");
    args.list("--kind KIND", Speculation.class, v -> kinds = v, "lookup, mtp; default: lookup.");
    args.one("--prompts N", int.class, v -> prompts = v, "Pieces; default: " + prompts + ".");
    args.one("--prompt N", int.class, v -> prompt = v, "Tokens of one; default: " + prompt + ".");
    args.one(
        "--tokens N", int.class, v -> tokens = v, "Tokens behind it; default: " + tokens + ".");
    args.one(
        "--repetitions N",
        int.class,
        v -> repetitions = v,
        "Turns of each piece; default: " + repetitions + ".");
    args.flag(
        "--twice",
        v -> twice = v,
        "A prompt is a piece and its first half once more, as where a document is edited.");
    args.one(
        "--edit N",
        int.class,
        v -> edit = v,
        "Instead: each piece is a document, and the text behind it is given: the document once"
            + " more, every N-th token edited; ids are random where the model has no tokenizer.");
  }

  @Override
  public void execute() throws IOException {
    range("--threads", threads, 0);
    range("--prompts", prompts, 1);
    range("--prompt", prompt, 2);
    range("--tokens", tokens, 2);
    range("--repetitions", repetitions, 1);
    if (kinds.contains(Speculation.OFF)) {
      throw usage("--kind is off, but must be lookup or mtp");
    }
    if (backend != null && !Backends.names().contains(backend)) {
      throw usage(
          "--backend is "
              + backend
              + ", but must be one of "
              + String.join(", ", Backends.names()));
    }
    if (edit != 0) {
      range("--edit", edit, 2);
      edit();
      return;
    }
    Path directory = directory();
    String text = text(text());
    try (Model opened = Model.builder(directory).backend(backend).threads(threads).open()) {
      int[][] pieces = pieces(opened.tokenizer().encode(text, false));
      out().println(opened.summary());
      new SpeculationBench(opened, pieces, tokens, repetitions).run(kinds).forEach(out()::println);
    }
  }

  private void edit() throws IOException {
    try (Model opened =
        Model.builder(directory()).backend(backend).threads(threads).tokenizerIfUsable().open()) {
      int[] all =
          opened.hasTokenizer()
              ? opened.tokenizer().encode(text(text()), false)
              : new Random(1)
                  .ints((long) prompts * (prompt + 1), 0, opened.description().vocabulary())
                  .toArray();
      out().println(opened.summary());
      out().println(new EditBench(opened.decoder(), pieces(all), edit, repetitions).run());
    }
  }

  private int[][] pieces(int[] all) {
    int apart = (all.length - prompt) / prompts;
    if (apart < 1) {
      throw new Mla4jException(
          "the text has "
              + all.length
              + " tokens, too few for "
              + prompts
              + " pieces of "
              + prompt);
    }
    int[][] pieces = new int[prompts][];
    for (int i = 0; i < prompts; i++) {
      int[] piece = Arrays.copyOfRange(all, i * apart, i * apart + prompt);
      pieces[i] = twice ? Arrays.copyOf(piece, prompt + prompt / 2) : piece;
      if (twice) {
        System.arraycopy(piece, 0, pieces[i], prompt, prompt / 2);
      }
    }
    return pieces;
  }
}
