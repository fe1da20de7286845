package io.mla4j.lab.command;

import io.mla4j.cli.Args;
import io.mla4j.lab.Converter;
import io.mla4j.lab.Texts;
import java.io.IOException;
import java.nio.file.Path;

/** Which texts a conversion learns from and is scored on: options of all commands that convert. */
public final class TextArguments {
  private Path calibrate;
  private Path evaluate;
  private int tokens = 6000;
  private int from;

  /** Reads a file, or says why it is no text. */
  @FunctionalInterface
  public interface Reader {
    /** The text of a file. */
    String read(Path file) throws IOException;
  }

  /**
   * The texts of the files, before a model has cut them.
   *
   * @param evaluate null for none
   */
  public record Files(String calibrate, String evaluate, Texts.Part part) {
    /** See {@link Texts#of}. */
    public Texts of(Converter converter) {
      return Texts.of(converter, calibrate, evaluate, part);
    }
  }

  /** With defaults, until options say otherwise. */
  public TextArguments() {}

  /** Adds the options. */
  public void declare(Args args) {
    args.required(
        "--calibrate FILE",
        Path.class,
        v -> calibrate = v,
        "A text whose second half gives the statistics, UTF-8; all of it with --evaluate.");
    args.one(
        "--evaluate FILE",
        Path.class,
        v -> evaluate = v,
        "The text that is scored; default: the beginning of the other one.");
    args.one("--tokens N", int.class, v -> tokens = v, "Tokens that are scored; default: 6000.");
    args.one("--from N", int.class, v -> from = v, "The first token that is scored; default: 0.");
  }

  /** {@code --tokens}, as it was given. */
  public int tokens() {
    return tokens;
  }

  /** {@code --from}, as it was given. */
  public int from() {
    return from;
  }

  /** Reads the files. */
  public Files read(Reader reader) throws IOException {
    return new Files(
        reader.read(calibrate),
        evaluate == null ? null : reader.read(evaluate),
        new Texts.Part(from, tokens));
  }
}
