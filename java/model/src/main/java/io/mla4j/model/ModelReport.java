package io.mla4j.model;

import io.mla4j.Mla4jException;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.GgufMetadata;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.StoredTensor;
import io.mla4j.checkpoint.TextFiles;
import io.mla4j.checkpoint.WeightTable;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * What can be said about a model without loading it: no weight is read but those of its norms.
 *
 * @param path where it lies
 * @param format what its files are, for one line
 * @param model what it computes, where its configuration could be read
 * @param weights the types of the tensors in its files, the one with the most bytes first
 * @param quantised whether most of its matrices are integers under scales
 * @param text which tokenizer and template there are
 * @param problems why it cannot run; none where it can
 */
public record ModelReport(
    Path path,
    String format,
    Optional<ModelDescription> model,
    List<Weights> weights,
    boolean quantised,
    TextFiles text,
    List<String> problems) {
  private static final int MAX_PROBLEMS = 20;

  /** Keeps its own copies of the lists. */
  public ModelReport {
    weights = List.copyOf(weights);
    problems = List.copyOf(problems);
  }

  /**
   * The tensors of one type.
   *
   * @param type what the file calls it
   * @param tensors how many there are
   * @param bytes of all of them
   */
  public record Weights(String type, int tensors, long bytes) {}

  /** Looks at the model in a directory or a GGUF file. */
  public static ModelReport of(Path path) {
    List<String> problems = new ArrayList<>();
    TextFiles text = TextFiles.NONE;
    Optional<ModelDescription> model = Optional.empty();
    List<Weights> weights = List.of();
    String format = "none";
    boolean quantised = false;
    try (Checkpoint checkpoint = Checkpoint.open(path)) {
      format = format(checkpoint);
      weights = weights(checkpoint);
      text = TextFiles.of(checkpoint);
      addTypes(checkpoint, problems);
      model = Optional.of(ConfigReader.read(checkpoint));
      addTensors(model.get(), checkpoint, problems);
      quantised = problems.isEmpty() && WeightTable.resolve(model.get(), checkpoint).isQuantised();
    } catch (Mla4jException e) {
      problems.add(e.getMessage());
      model = model.or(() -> configuration(path, problems));
    }
    return new ModelReport(path, format, model, weights, quantised, text, problems);
  }

  /** The configuration of a directory whose weights could not be opened. */
  private static Optional<ModelDescription> configuration(Path path, List<String> problems) {
    try {
      return Optional.of(ConfigReader.read(path));
    } catch (Mla4jException e) {
      if (!problems.contains(e.getMessage())) {
        problems.add(e.getMessage());
      }
      return Optional.empty();
    }
  }

  private static String format(Checkpoint checkpoint) {
    long files = checkpoint.tensors().values().stream().map(StoredTensor::file).distinct().count();
    String kind = checkpoint.gguf().flatMap(ModelReport::name).orElse("safetensors");
    return kind + ", " + files + (files == 1 ? " file" : " files");
  }

  private static Optional<String> name(GgufMetadata metadata) {
    return Optional.of("GGUF " + metadata.text("general.architecture").orElse("without a name"));
  }

  private static List<Weights> weights(Checkpoint checkpoint) {
    Map<String, Weights> types = new TreeMap<>();
    for (StoredTensor tensor : checkpoint.tensors().values()) {
      types.merge(
          tensor.type().name(),
          new Weights(tensor.type().name(), 1, tensor.bytes()),
          (a, b) -> new Weights(a.type, a.tensors + b.tensors, a.bytes + b.bytes));
    }
    return types.values().stream().sorted((a, b) -> Long.compare(b.bytes, a.bytes)).toList();
  }

  /** Types of blocks that nothing computes with. */
  private static void addTypes(Checkpoint checkpoint, List<String> problems) {
    Map<String, Integer> counts = new TreeMap<>();
    for (StoredTensor tensor : checkpoint.tensors().values()) {
      if (tensor.type().blockElements() > 1 && !tensor.type().isWeight()) {
        counts.merge(tensor.type().name(), 1, Integer::sum);
      }
    }
    counts.forEach(
        (type, count) ->
            problems.add(
                checkpoint.path()
                    + ": "
                    + count
                    + (count == 1 ? " tensor has" : " tensors have")
                    + " dtype "
                    + type
                    + ", which cannot be computed with"));
  }

  private static void addTensors(
      ModelDescription model, Checkpoint checkpoint, List<String> problems) {
    List<String> found =
        WeightTable.problems(model, checkpoint).stream()
            .map(Throwable::getMessage)
            .filter(message -> problems.isEmpty() || !message.contains(" has dtype "))
            .toList();
    problems.addAll(found.subList(0, Math.min(found.size(), MAX_PROBLEMS)));
    if (found.size() > MAX_PROBLEMS) {
      problems.add("and " + (found.size() - MAX_PROBLEMS) + " tensors more");
    }
  }

  /** Whether there is nothing to say but the one problem. */
  public boolean isNothing() {
    return model.isEmpty() && weights.isEmpty() && problems.size() == 1;
  }

  /** Bytes of all tensors in the files. */
  public long weightBytes() {
    return weights.stream().mapToLong(Weights::bytes).sum();
  }
}
