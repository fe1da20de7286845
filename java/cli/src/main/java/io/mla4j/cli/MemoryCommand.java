package io.mla4j.cli;

import io.mla4j.InvalidArgumentException;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.model.CacheMemory;
import io.mla4j.model.KnownModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** {@code mla4j memory}: bytes of a model's cache, by form of attention and type. */
final class MemoryCommand extends StreamCommand {
  String model;
  long device;
  long context;
  long batch = 1;
  boolean json;

  @Override
  public void declare(Args args) {
    args.description("Show what the cache of a model costs under MHA, GQA, MQA and MLA.");
    args.one(
        "--model DIR|NAME",
        String.class,
        v -> model = v,
        "Folder with a config.json, or a published model by name; with --device all of them.");
    args.required("--context N", long.class, v -> context = v, "Tokens of a sequence.");
    args.one("--batch B", long.class, v -> batch = v, "Sequences; default: 1.");
    args.one(
        "--device SIZE",
        String.class,
        v -> device = deviceBytes(v),
        "Show what fits into a device of so much memory without weights, as 24GB (24 x 1024^3).");
    args.flag("--json", v -> json = v, "Print one JSON object.");
  }

  @Override
  public void execute() throws IOException {
    if (model == null && device == 0) {
      throw usage("--model is missing, which is needed without --device");
    }
    try {
      if (device > 0) {
        DeviceTable table = new DeviceTable(device, context, batch, models());
        if (json) {
          table.printJson(streams.out());
        } else {
          table.print(streams.out());
        }
        return;
      }
      CacheMemory memory = memory();
      List<CacheMemory.Row> rows = memory.rows(context, batch);
      if (json) {
        printJson(memory, rows);
      } else {
        printTable(memory, rows);
      }
    } catch (InvalidArgumentException e) {
      throw usage(e.getMessage());
    }
  }

  private Map<String, CacheMemory> models() {
    Map<String, CacheMemory> models = new LinkedHashMap<>();
    if (model != null) {
      models.put(model, memory());
    } else {
      for (KnownModel known : KnownModel.values()) {
        models.put(known.modelName(), known.memory());
      }
    }
    return models;
  }

  private long deviceBytes(String size) {
    long bytes = read("--device", size, Units::parse);
    if (bytes < 1) {
      throw usage("--device is " + size + ", but must be at least 1 byte");
    }
    return bytes;
  }

  /** A folder wins over a name: it is what lies here. */
  private CacheMemory memory() {
    Path directory = Path.of(model);
    if (Files.isDirectory(directory)) {
      return CacheMemory.of(ConfigReader.read(directory));
    }
    Optional<KnownModel> known = KnownModel.named(model);
    return known
        .map(KnownModel::memory)
        .orElseThrow(
            () ->
                usage(
                    "--model is "
                        + model
                        + ", but must be a folder or one of "
                        + KnownModel.names()));
  }

  private void printTable(CacheMemory memory, List<CacheMemory.Row> rows) {
    streams
        .out()
        .printf(
            Locale.ROOT,
            "%s: %d layers, %d heads, %s, %d tokens x %d%n%n",
            model,
            memory.layers(),
            memory.heads(),
            stored(memory.stored()),
            context,
            batch);
    streams
        .out()
        .printf(
            "%-24s %18s %18s %22s %10s%n",
            "cache", "bytes/token/layer", "bytes/token", "bytes", "");
    for (CacheMemory.Row row : rows) {
      streams
          .out()
          .printf(
              Locale.ROOT,
              "%-24s %18d %18d %22d %10s%n",
              name(row),
              row.bytesPerLayer(),
              row.bytesPerToken(),
              row.bytes(),
              Units.bytes(row.bytes()));
    }
  }

  private static String stored(CacheMemory.Stored stored) {
    return stored.form().equals("MLA")
        ? "latent " + stored.latent() + " + rope " + stored.rope()
        : stored.form()
            + " of "
            + stored.rows()
            + " x ("
            + stored.latent()
            + " + "
            + stored.rope()
            + ")";
  }

  private void printJson(CacheMemory memory, List<CacheMemory.Row> rows) throws IOException {
    JsonPrinter.print(
        streams.out(),
        out -> {
          out.writeStringField("model", model);
          out.writeNumberField("layers", memory.layers());
          out.writeNumberField("context", context);
          out.writeNumberField("batch", batch);
          out.writeArrayFieldStart("caches");
          for (CacheMemory.Row row : rows) {
            out.writeStartObject();
            out.writeStringField("form", row.form());
            out.writeStringField("cacheType", type(row));
            out.writeBooleanField("asStored", row.padded());
            out.writeNumberField("bytesPerTokenAndLayer", row.bytesPerLayer());
            out.writeNumberField("bytesPerToken", row.bytesPerToken());
            out.writeNumberField("bytes", row.bytes());
            out.writeEndObject();
          }
          out.writeEndArray();
        });
  }

  /** How tables call a way to keep the cache. */
  static String name(CacheMemory.Row row) {
    return row.form() + " " + type(row) + (row.padded() ? " as stored" : "");
  }

  static String type(CacheMemory.Row row) {
    return row.type().name().toLowerCase(Locale.ROOT);
  }
}
