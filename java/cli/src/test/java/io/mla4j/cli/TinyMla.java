package io.mla4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.mla4j.Backends;
import io.mla4j.testkit.QuickRun;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/** The model that the project carries and what is known about it. */
final class TinyMla {
  static final Path ROOT = Path.of(System.getProperty("mla4j.root"));
  static final Path FOLDER = ROOT.resolve("models/tiny-mla");

  private TinyMla() {}

  static JsonNode expected() {
    return json(FOLDER.resolve("expected.json"));
  }

  static JsonNode json(Path file) {
    try {
      return new ObjectMapper().readTree(file.toFile());
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  static JsonNode json(String text) {
    try {
      return new ObjectMapper().readTree(text);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  /** {@code 0,5,17}, as the command takes ids. */
  static String ids(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false)
        .map(JsonNode::asText)
        .collect(Collectors.joining(","));
  }

  /** The backends that work here; of those a quick run takes the best. */
  static List<String> backends() {
    List<String> names = new ArrayList<>();
    for (Backends.Status status : Backends.list()) {
      if (status.available() && !QuickRun.leavesOut(status.name())) {
        names.add(status.name());
      }
    }
    return names;
  }

  /** The command with the carried model. */
  static Command run(String command, String... arguments) {
    List<String> all = new ArrayList<>(List.of(command, "--model", FOLDER.toString()));
    all.addAll(List.of(arguments));
    return Command.run(all.toArray(String[]::new));
  }
}
