package io.mla4j;

import io.mla4j.spi.Backend;
import java.net.URL;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * A backend of this project that is there but that no service file names: what becomes of it in a
 * jar of all jars whose service files overwrote each other. It works nowhere, and says why.
 *
 * <p>Backends that are not listed here work as well; only this advice is not given for them.
 */
record UnregisteredBackend(String name, int rank, String className, String place)
    implements Backend {
  private static final String SERVICE_FILE = "META-INF/services/" + Backend.class.getName();

  /** Those that {@code loader} sees and {@code isFound} denies, by the names of their classes. */
  static List<Backend> among(ClassLoader loader, Predicate<String> isFound) {
    List<Backend> unregistered = new ArrayList<>();
    look("cuda", 300, "io.mla4j.cuda.CudaBackend", loader, isFound, unregistered);
    look("native", 200, "io.mla4j.ffi.NativeBackend", loader, isFound, unregistered);
    look("vector", 100, "io.mla4j.vector.VectorBackend", loader, isFound, unregistered);
    return unregistered;
  }

  private static void look(
      String name,
      int rank,
      String className,
      ClassLoader loader,
      Predicate<String> isFound,
      List<Backend> unregistered) {
    URL file =
        isFound.test(className) ? null : loader.getResource(className.replace('.', '/') + ".class");
    if (file != null) {
      String place = file.getPath().replaceFirst("!?/" + className.replace('.', '/') + ".*", "");
      unregistered.add(
          new UnregisteredBackend(name, rank, className, place.replaceFirst("^file:", "")));
    }
  }

  @Override
  public Probe probe() {
    return new Probe(false, reason(), List.of(), Optional.empty(), Optional.empty());
  }

  @Override
  public Device open(Options options) {
    throw new BackendException("backend " + name + " does not work here: " + reason());
  }

  private String reason() {
    return className
        + " is in "
        + place
        + ", but not registered: no "
        + SERVICE_FILE
        + " names it; when jars are put together, merge their service files (Maven Shade:"
        + " ServicesResourceTransformer, Gradle Shadow: mergeServiceFiles)";
  }
}
