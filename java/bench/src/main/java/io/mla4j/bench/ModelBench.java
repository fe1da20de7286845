package io.mla4j.bench;

import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.cpu.CpuDevice;
import io.mla4j.model.Checkpoint;
import io.mla4j.model.ConfigReader;
import io.mla4j.model.Decoder;
import io.mla4j.model.DecoderOptions;
import io.mla4j.model.ModelDescription;
import io.mla4j.model.WeightTable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;

/** Prompts and generation of whole models. */
final class ModelBench {
  private ModelBench() {}

  static List<Row> run(Lab lab, ModelGrid grid, Progress progress, BooleanSupplier stopped) {
    if (grid.directory() != null) {
      return run(lab, grid, grid.directory(), progress, stopped);
    }
    Path folder = null;
    try {
      folder = Files.createTempDirectory("mla4j-bench-");
      Path model = folder.resolve(grid.preset().id());
      progress.at(0, 1, "writing " + model);
      ModelMaker.make(grid.preset().shape(), model);
      return run(lab, grid, model, progress, stopped);
    } catch (IOException e) {
      throw new BenchException("there is no room for a model: " + e.getMessage(), e);
    } finally {
      remove(folder);
    }
  }

  private static void remove(Path folder) {
    if (folder == null) {
      return;
    }
    try (var files = Files.walk(folder)) {
      for (Path file : files.sorted(java.util.Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new BenchException(folder + " cannot be removed: " + e.getMessage(), e);
    }
  }

  private static List<Row> run(
      Lab lab, ModelGrid grid, Path folder, Progress progress, BooleanSupplier stopped) {
    ModelDescription model = ConfigReader.read(folder);
    String name = grid.preset() == null ? folder.getFileName().toString() : grid.preset().id();
    List<Case> cases = new ArrayList<>();
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      WeightTable weights = WeightTable.resolve(model, checkpoint);
      List<Decoder> decoders = new ArrayList<>();
      try {
        for (CpuDevice device : lab.devices(grid.backends(), grid.isas(), grid.threads())) {
          for (DecoderOptions options : options(grid, device)) {
            Decoder decoder = new Decoder(model, weights, device, options);
            decoders.add(decoder);
            cases.add(new PromptCase(decoder, device, name, grid.prompt()));
            for (int context : grid.contexts()) {
              cases.add(new GenerationCase(decoder, device, name, context, grid.generated()));
            }
          }
        }
        PeakMeter meter = lab.meter();
        lab.pin();
        return new Runner(lab.settings(), meter, progress, stopped).run(cases);
      } finally {
        cases.forEach(Case::close);
        decoders.forEach(Decoder::close);
      }
    }
  }

  private static List<DecoderOptions> options(ModelGrid grid, CpuDevice device) {
    List<DecoderOptions> options = new ArrayList<>();
    List<ComputeType> computes =
        grid.computes().isEmpty() ? List.of(device.preferredComputeType()) : grid.computes();
    for (ComputeType compute : computes) {
      DecoderOptions usual = DecoderOptions.of(compute);
      List<CacheType> cacheTypes =
          grid.cacheTypes().isEmpty() ? List.of(usual.cacheType()) : grid.cacheTypes();
      for (CacheType cacheType : cacheTypes) {
        options.add(
            new DecoderOptions(compute, cacheType, grid.form(), usual.pageSize(), usual.chunk()));
      }
    }
    return options;
  }
}
