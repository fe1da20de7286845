package io.mla4j.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import io.mla4j.BackendException;
import io.mla4j.Backends;
import io.mla4j.Device;
import java.io.IOException;
import java.io.PrintStream;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** {@code mla4j info}: what this machine offers and what is used. */
final class InfoCommand extends StreamCommand {
  boolean json;

  /**
   * What would be used.
   *
   * @param failure why nothing would, or null
   */
  private record Used(String backend, String isa, String compute, int threads, String failure) {}

  @Override
  public void declare(Args args) {
    args.description("Show the version, the backends and why each works or not, and what is used.");
    args.flag("--json", v -> json = v, "Print one JSON object.");
  }

  @Override
  public void execute() throws IOException {
    List<Backends.Status> backends = Backends.list();
    Used used = used();
    if (json) {
      JsonPrinter.print(streams.out(), out -> write(out, backends, used));
    } else {
      print(streams.out(), backends, used);
    }
  }

  private static Used used() {
    try (Device device = Backends.open()) {
      return new Used(
          device.backend(),
          device.isa(),
          device.preferredComputeType().name().toLowerCase(Locale.ROOT),
          device.threads(),
          null);
    } catch (BackendException e) {
      return new Used(null, null, null, 0, e.getMessage());
    }
  }

  private static String reasonOf(List<Backends.Status> backends, Used used) {
    return backends.stream()
        .filter(s -> s.name().equals(used.backend()))
        .map(s -> s.reason())
        .map(r -> r.startsWith(used.isa() + ": ") ? r.substring(used.isa().length() + 2) : r)
        .findFirst()
        .orElse("");
  }

  /** The device of the best backend that is none of processors, or why there is none. */
  private static String gpu(List<Backends.Status> backends) {
    List<Backends.Status> others = backends.stream().filter(Backends.Status::hasOwnMemory).toList();
    return others.stream()
        .filter(Backends.Status::available)
        .map(Backends.Status::reason)
        .findFirst()
        .or(() -> others.stream().map(status -> "none: " + status.reason()).findFirst())
        .orElse("none: this build has no backend for one");
  }

  private static String jdk() {
    return Runtime.version() + " (" + System.getProperty("java.vendor") + ")";
  }

  private static String system() {
    return System.getProperty("os.name") + " " + System.getProperty("os.arch");
  }

  private static void print(PrintStream out, List<Backends.Status> backends, Used used) {
    out.println("mla4j    " + Mla4jCommand.Version.text());
    out.println("JDK      " + jdk());
    out.println("system   " + system());
    if (used.failure() != null) {
      out.println("backend  none: " + used.failure());
    } else {
      out.println("backend  " + used.backend());
      out.println("isa      " + used.isa() + ": " + reasonOf(backends, used));
      out.println("compute  " + used.compute());
      out.println("threads  " + used.threads());
    }
    out.println("GPU      " + gpu(backends));
    out.println("backends");
    for (Backends.Status status : backends) {
      out.printf(
          "  %-8s %s%n",
          status.name(), (status.available() ? "works: " : "does not work: ") + status.reason());
      if (!status.isas().isEmpty()) {
        out.println("           isa      " + String.join(", ", status.isas()));
      }
      status.library().ifPresent(file -> out.println("           library  " + file));
      status.version().ifPresent(v -> out.println("           version  " + v));
      status.details().forEach((name, what) -> out.printf("           %-8s %s%n", name, what));
    }
  }

  private static void write(JsonGenerator out, List<Backends.Status> backends, Used used)
      throws IOException {
    out.writeStringField("version", Mla4jCommand.Version.text());
    out.writeStringField("jdk", jdk());
    out.writeStringField("system", system());
    out.writeStringField("backend", used.backend());
    out.writeStringField("isa", used.isa());
    out.writeStringField(
        "reason", used.failure() == null ? reasonOf(backends, used) : used.failure());
    out.writeStringField("computeType", used.compute());
    out.writeNumberField("threads", used.threads());
    out.writeStringField("gpu", gpu(backends));
    out.writeArrayFieldStart("backends");
    for (Backends.Status status : backends) {
      out.writeStartObject();
      out.writeStringField("name", status.name());
      out.writeBooleanField("available", status.available());
      out.writeStringField("reason", status.reason());
      out.writeArrayFieldStart("isas");
      for (String isa : status.isas()) {
        out.writeString(isa);
      }
      out.writeEndArray();
      out.writeStringField("library", status.library().map(Object::toString).orElse(null));
      out.writeStringField("version", status.version().orElse(null));
      for (Map.Entry<String, String> detail : status.details().entrySet()) {
        out.writeStringField(detail.getKey(), detail.getValue());
      }
      out.writeEndObject();
    }
    out.writeEndArray();
  }
}
