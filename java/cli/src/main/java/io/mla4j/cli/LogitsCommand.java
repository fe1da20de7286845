package io.mla4j.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import io.mla4j.checkpoint.OutputFile;
import io.mla4j.checkpoint.SafetensorsWriter;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.text.Model;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;

/** {@code mla4j logits}: what the model says after each of the given ids. Needs no tokenizer. */
final class LogitsCommand extends StreamCommand {
  private static final int TOP = 5;

  private final ModelOptions options = new ModelOptions();
  List<IdList> ids;
  Path out;
  boolean json;

  /** The largest logits of each position of a sequence, ids and values, largest first. */
  private record Top(int[][] ids, float[][] values) {}

  @Override
  public void declare(Args args) {
    args.description("Compute the logits after every id; several --ids run as one batch.");
    options.declare(args);
    args.several(
        "--ids 0,5,..",
        IdList.class,
        true,
        v -> ids = v,
        "Token ids, taken as they are; may come several times.");
    args.one(
        "--out FILE",
        Path.class,
        v -> out = v,
        "Write all logits as safetensors, F32 [n, vocabulary].");
    args.flag("--json", v -> json = v, "Print one JSON object.");
  }

  @Override
  public void execute() throws IOException {
    int[][] sequences = ids.stream().map(IdList::ids).toArray(int[][]::new);
    if (out != null) {
      OutputFile.check(out);
    }
    try (Model model = options.builder(streams).withoutTokenizer().open();
        Arena arena = Arena.ofShared()) {
      Top[] tops = new Top[sequences.length];
      Tensor[] full = new Tensor[sequences.length];
      for (int i = 0; i < sequences.length; i++) {
        int n = sequences[i].length;
        tops[i] = new Top(new int[n][], new float[n][]);
        if (out != null) {
          full[i] = newTensor(arena, n, model.description().vocabulary());
        }
      }
      compute(model, sequences, tops, full);
      if (out != null) {
        write(full);
      }
      print(model, sequences, tops);
    }
  }

  private static Tensor newTensor(Arena arena, int n, int vocabulary) {
    long bytes = (long) n * vocabulary * Float.BYTES;
    return Tensor.of(arena.allocate(bytes, 64), StorageFormat.F32, n, vocabulary);
  }

  private static void compute(Model model, int[][] sequences, Top[] tops, Tensor[] full) {
    model.logits(
        sequences,
        (sequence, position, logits) -> {
          setTop(tops[sequence], position, logits);
          if (full[sequence] != null) {
            long bytes = logits.dim(0) * Float.BYTES;
            MemorySegment.copy(
                logits.segment(), 0, full[sequence].segment(), position * bytes, bytes);
          }
        });
  }

  private static void setTop(Top top, int position, Tensor logits) {
    int vocabulary = (int) logits.dim(0);
    int count = Math.min(TOP, vocabulary);
    int[] best = new int[count];
    float[] values = new float[count];
    int found = 0;
    for (int id = 0; id < vocabulary; id++) {
      float value = logits.segment().getAtIndex(ValueLayout.JAVA_FLOAT, id);
      if (found == count && !(value > values[count - 1])) {
        continue;
      }
      int at = found < count ? found++ : count - 1;
      while (at > 0 && value > values[at - 1]) {
        best[at] = best[at - 1];
        values[at] = values[at - 1];
        at--;
      }
      best[at] = id;
      values[at] = value;
    }
    top.ids()[position] = best;
    top.values()[position] = values;
  }

  private void write(Tensor[] full) {
    SafetensorsWriter writer = new SafetensorsWriter();
    for (int i = 0; i < full.length; i++) {
      writer.add(full.length == 1 ? "logits" : "logits." + i, full[i]);
    }
    writer.write(out);
  }

  private void print(Model model, int[][] sequences, Top[] tops) throws IOException {
    if (json) {
      JsonPrinter.print(streams.out(), to -> writeJson(to, model, sequences, tops));
      return;
    }
    if (out == null) {
      for (int i = 0; i < sequences.length; i++) {
        if (sequences.length > 1) {
          streams.out().println("sequence " + i);
        }
        printTop(sequences[i], tops[i]);
      }
    }
    endResults();
    streams.err().println(model.summary());
  }

  /** {@code position id: id logit, id logit, ..}. */
  private void printTop(int[] sequence, Top top) {
    for (int position = 0; position < sequence.length; position++) {
      StringBuilder line = new StringBuilder();
      line.append(position).append(' ').append(sequence[position]).append(':');
      for (int j = 0; j < top.ids()[position].length; j++) {
        line.append(j == 0 ? " " : ", ")
            .append(top.ids()[position][j])
            .append(' ')
            .append(top.values()[position][j]);
      }
      streams.out().println(line);
    }
  }

  private void writeJson(JsonGenerator to, Model model, int[][] sequences, Top[] tops)
      throws IOException {
    if (out != null) {
      to.writeStringField("file", out.toString());
    }
    to.writeNumberField("vocabulary", model.description().vocabulary());
    to.writeArrayFieldStart("sequences");
    for (int i = 0; i < sequences.length; i++) {
      to.writeStartObject();
      to.writeFieldName("ids");
      to.writeArray(sequences[i], 0, sequences[i].length);
      to.writeArrayFieldStart("top");
      for (int position = 0; position < sequences[i].length; position++) {
        to.writeStartObject();
        to.writeFieldName("ids");
        to.writeArray(tops[i].ids()[position], 0, tops[i].ids()[position].length);
        to.writeArrayFieldStart("logits");
        for (float value : tops[i].values()[position]) {
          to.writeNumber(value);
        }
        to.writeEndArray();
        to.writeEndObject();
      }
      to.writeEndArray();
      to.writeEndObject();
    }
    to.writeEndArray();
    JsonPrinter.writeFigures(to, model);
  }
}
