package io.mla4j.bench;

import io.mla4j.AttentionForm;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.checkpoint.WeightTable;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.model.Decoder;
import io.mla4j.model.DecoderOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Supplier;

/** Prompts and generation of whole models. */
final class ModelBench {
  private ModelBench() {}

  static List<Row> run(Lab lab, ModelGrid grid, Benchmark run) {
    if (grid.directory != null) {
      return run(lab, grid, grid.directory, run);
    }
    Path folder = null;
    try {
      folder = Files.createTempDirectory("mla4j-bench-");
      run.ownsFolder(folder);
      Path model = folder.resolve(grid.preset.id());
      run.progress().at(0, 1, "writing " + model);
      ModelMaker.make(grid.preset.config(), model);
      return run(lab, grid, model, run);
    } catch (IOException e) {
      throw new BenchException("there is no room for a model: " + e.getMessage(), e);
    } finally {
      if (folder != null) {
        remove(folder);
        run.ownsFolder(null);
      }
    }
  }

  static void remove(Path folder) {
    try (var files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new BenchException(folder + " cannot be removed: " + e.getMessage(), e);
    }
  }

  private static List<Row> run(Lab lab, ModelGrid grid, Path folder, Benchmark run) {
    if (run.isStopped()) {
      return List.of();
    }
    ModelDescription model = ConfigReader.read(folder);
    if (model.state().isPresent()) {
      throw new BenchException(
          folder + " has layers with the state of a recurrence, whose work is not counted");
    }
    String name = grid.preset == null ? folder.getFileName().toString() : grid.preset.id();
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      WeightTable weights = WeightTable.resolve(model, checkpoint);
      List<Integer> generated = Grid.each(grid.generated);
      List<Decoder> decoders = new ArrayList<>();
      List<Supplier<Case>> plans = new ArrayList<>();
      try {
        for (CpuDevice device : grid.devices(lab, grid.backends)) {
          for (DecoderOptions options : options(grid, device, weights)) {
            Decoder decoder = new Decoder(model, weights, device, options);
            decoders.add(decoder);
            for (int prompt : Grid.each(grid.prompts)) {
              plans.add(() -> new PromptCase(decoder, weights, device, name, prompt));
            }
            for (int context : Grid.each(grid.contexts)) {
              for (int tokens : generated) {
                String row = generated.size() == 1 ? name : name + ", " + tokens + " new tokens";
                plans.add(() -> new GenerationCase(decoder, weights, device, row, context, tokens));
              }
            }
          }
        }
        return run.measure(plans, lab::pinnedMeter);
      } finally {
        decoders.forEach(Decoder::close);
      }
    }
  }

  private static List<DecoderOptions> options(
      ModelGrid grid, CpuDevice device, WeightTable weights) {
    List<DecoderOptions> options = new ArrayList<>();
    List<ComputeType> computes =
        grid.computes.isEmpty()
            ? List.of(DecoderOptions.defaults(device, weights.isQuantised()).compute())
            : grid.computes(device);
    for (ComputeType compute : computes) {
      DecoderOptions usual = DecoderOptions.of(compute);
      List<CacheType> cacheTypes =
          grid.cacheTypes.isEmpty() ? List.of(usual.cacheType()) : Grid.each(grid.cacheTypes);
      for (CacheType cacheType : cacheTypes) {
        for (AttentionForm form : Grid.each(grid.forms)) {
          for (int page : Grid.each(grid.pages)) {
            options.add(new DecoderOptions(compute, cacheType, form, page, usual.chunk()));
          }
        }
      }
    }
    return options;
  }
}
