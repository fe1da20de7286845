package io.mla4j.cli;

import io.mla4j.checkpoint.FileType;
import io.mla4j.checkpoint.MtpLayer;
import io.mla4j.checkpoint.OutputFile;
import io.mla4j.text.Quantizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;

/** {@code mla4j quantize}: a model as one GGUF file with its weights in another type. */
final class QuantizeCommand extends StreamCommand {
  Path model;
  Path out;
  FileType type;
  MtpLayer mtp = MtpLayer.KEEP;
  String pre;
  int threads = Runtime.getRuntime().availableProcessors();

  @Override
  public void declare(Args args) {
    args.description("Write a model as one GGUF file, tokenizer and chat template inside.");
    args.required(
        "--model PATH",
        Path.class,
        v -> model = v,
        "Folder with config.json and safetensors, or a GGUF file.");
    args.required(
        "--type TYPE", FileType.class, v -> type = v, "q8_0, q4_0, q4_k_m, q6_k or bf16.");
    args.required("--out FILE", Path.class, v -> out = v, "The GGUF file to write.");
    args.one(
        "--mtp keep|drop",
        MtpLayer.class,
        v -> mtp = v,
        "What becomes of a layer for multi-token prediction; default: keep.");
    args.one(
        "--pre NAME",
        String.class,
        v -> pre = v,
        "tokenizer.ggml.pre, where it is not found by the tokenizer's patterns.");
    args.one(
        "--threads N",
        int.class,
        v -> threads = v,
        "Threads that read and round; default: the processors.");
  }

  @Override
  public void execute() throws IOException {
    if (threads < 1) {
      throw usage("--threads is " + threads + ", but must be at least 1");
    }
    OutputFile.check(out);
    long start = System.nanoTime();
    try (Quantizer quantizer = Quantizer.open(model, type, mtp, Optional.ofNullable(pre))) {
      try (ProgressBar bar = progressBar(quantizer.bytesToRead())) {
        quantizer.write(
            out,
            threads,
            bytes -> {
              if (bar != null) {
                bar.stepBy(bytes);
              }
            });
      }
      double seconds = (System.nanoTime() - start) / 1e9;
      streams
          .err()
          .printf(
              Locale.ROOT,
              "%s: %.1f MB of weights became %.1f MB in %.2f s%n",
              out,
              quantizer.bytesToRead() / 1e6,
              Files.size(out) / 1e6,
              seconds);
    }
  }

  private ProgressBar progressBar(long bytes) {
    return streams.interactive()
        ? new ProgressBarBuilder()
            .setTaskName("quantize")
            .setUnit(" MB", 1_000_000)
            .setInitialMax(bytes)
            .build()
        : null;
  }
}
