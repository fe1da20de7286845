package io.mla4j.cli;

import io.mla4j.model.CacheMemory;
import java.io.IOException;
import java.io.PrintStream;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What of the caches of models fits into a device that holds nothing else.
 *
 * @param device its bytes
 * @param context tokens of a sequence
 * @param batch sequences that devices are counted for
 * @param models by name
 */
record DeviceTable(long device, long context, long batch, Map<String, CacheMemory> models) {
  void print(PrintStream out) {
    out.printf(
        Locale.ROOT,
        "a device of %s that holds caches alone; sequences of %d tokens, devices for %d of"
            + " them%n%n",
        Units.bytes(device),
        context,
        batch);
    out.printf(
        "%-17s %-18s %14s %18s %13s %11s%n",
        "model", "cache", "bytes/token", "longest context", "sequences", "devices");
    for (Map.Entry<String, CacheMemory> model : models.entrySet()) {
      for (CacheMemory.Fit fit : fits(model.getValue())) {
        out.printf(
            Locale.ROOT,
            "%-17s %-18s %14d %18d %13d %11d%n",
            model.getKey(),
            MemoryCommand.name(fit.row()),
            fit.row().bytesPerToken(),
            fit.longest(),
            fit.sequences(),
            fit.devices());
      }
    }
  }

  void printJson(PrintStream stream) throws IOException {
    JsonPrinter.print(
        stream,
        out -> {
          out.writeNumberField("deviceBytes", device);
          out.writeNumberField("context", context);
          out.writeNumberField("batch", batch);
          out.writeArrayFieldStart("caches");
          for (Map.Entry<String, CacheMemory> model : models.entrySet()) {
            for (CacheMemory.Fit fit : fits(model.getValue())) {
              out.writeStartObject();
              out.writeStringField("model", model.getKey());
              out.writeStringField("form", fit.row().form());
              out.writeStringField("cacheType", MemoryCommand.type(fit.row()));
              out.writeBooleanField("asStored", fit.row().padded());
              out.writeNumberField("bytesPerToken", fit.row().bytesPerToken());
              out.writeNumberField("longestContext", fit.longest());
              out.writeNumberField("sequences", fit.sequences());
              out.writeNumberField("devices", fit.devices());
              out.writeEndObject();
            }
          }
          out.writeEndArray();
        });
  }

  private List<CacheMemory.Fit> fits(CacheMemory memory) {
    return memory.fits(device, context, batch);
  }
}
