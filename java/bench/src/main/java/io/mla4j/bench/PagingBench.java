package io.mla4j.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Generation with a model that is larger than memory: in a group of so much memory, with the
 * model's files dropped from what the system has cached, in turns plainly mapped, with experts read
 * ahead, and with shared weights pinned as well.
 */
public final class PagingBench {
  private final List<String> script;
  private final Path model;
  private final long memory;
  private final int tokens;

  /**
   * A generation of {@code tokens} tokens.
   *
   * @param script starts {@code mla4j}
   * @param model a folder or a file
   * @param memory bytes
   */
  public PagingBench(List<String> script, Path model, long memory, int tokens) {
    this.script = script;
    this.model = model;
    this.memory = memory;
    this.tokens = tokens;
  }

  private enum Way {
    MAPPED("plainly mapped", "off", "none"),
    AHEAD("experts read ahead", "auto", "none"),
    PINNED("and shared weights pinned", "auto", "shared");

    private final String text;
    private final String readahead;
    private final String pin;

    Way(String text, String readahead, String pin) {
      this.text = text;
      this.readahead = readahead;
      this.pin = pin;
    }
  }

  /** A line for each way: tokens per second, and how many times those of the first. */
  public List<String> run(int repetitions) {
    List<Path> files = files();
    double[][] rates = new double[Way.values().length][repetitions];
    int[] expected = null;
    for (int i = 0; i < repetitions; i++) {
      for (Way way : Way.values()) {
        files.forEach(Processes::drop);
        JsonNode generation = generate(way);
        int[] ids = new ObjectMapper().convertValue(generation.get("ids"), int[].class);
        expected = expected == null ? ids : expected;
        if (!Arrays.equals(expected, ids)) {
          throw new BenchException(way.text + ": other ids than " + Way.MAPPED.text);
        }
        rates[way.ordinal()][i] = generation.get("generatedTokensPerSecond").asDouble();
      }
    }
    List<String> lines = new ArrayList<>();
    for (Way way : Way.values()) {
      Arrays.sort(rates[way.ordinal()]);
      double rate = rates[way.ordinal()][repetitions / 2];
      lines.add(
          String.format(
              Locale.ROOT,
              "%-26s %.3f tokens/s, %.2f times",
              way.text,
              rate,
              rate / rates[0][repetitions / 2]));
    }
    return lines;
  }

  private List<Path> files() {
    try (Stream<Path> found = Files.walk(model)) {
      return found.filter(Files::isRegularFile).toList();
    } catch (IOException e) {
      throw new BenchException(model + " cannot be read: " + e, e);
    }
  }

  private JsonNode generate(Way way) {
    try (MemoryGroup group = MemoryGroup.of(memory)) {
      List<String> command = new ArrayList<>(script);
      command.addAll(List.of("generate", "--model", model.toString(), "--ids", "5,6,7,8"));
      command.addAll(List.of("--max-tokens", Integer.toString(tokens), "--temperature", "0"));
      command.addAll(List.of("--pin", way.pin, "--json"));
      return new ObjectMapper()
          .readTree(
              Processes.output(group.inside(command), Map.of("MLA4J_READAHEAD", way.readahead)));
    } catch (IOException e) {
      throw new BenchException(script.getFirst() + " printed no JSON: " + e.getMessage(), e);
    }
  }
}
