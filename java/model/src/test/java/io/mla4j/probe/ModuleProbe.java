package io.mla4j.probe;

import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.text.GenerationOptions;
import io.mla4j.text.Model;
import io.mla4j.text.SamplingOptions;
import java.nio.file.Path;

/** A program of a user that finds the library on the module path; outside of its packages. */
final class ModuleProbe {
  private ModuleProbe() {}

  public static void main(String[] args) {
    System.out.println(Model.class.getModule());
    try (Model model = Model.open(Path.of(args[0]))) {
      GenerationOptions options = GenerationOptions.of(4, SamplingOptions.GREEDY);
      System.out.println(model.generate("In the beginning", options, _ -> {}).ids().length);
    }
    try {
      Model.open(Path.of(args[1]));
    } catch (CheckpointException e) {
      System.out.println(e.getMessage().replaceFirst(".*supported;", ""));
    }
  }
}
