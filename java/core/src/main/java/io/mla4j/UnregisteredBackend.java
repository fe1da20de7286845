package io.mla4j;

import io.mla4j.spi.Backend;
import java.io.IOException;
import java.net.URI;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;

/**
 * A backend that is there but that no service file names: what becomes of it in a jar of all jars
 * whose service files overwrote each other. It works nowhere, and says why.
 *
 * <p>Found by a file {@code META-INF/mla4j/backends/CLASS} beside this class, which a backend's
 * module has for this alone: its name and its rank. Backends without it work as well; only this
 * advice is not given for them.
 */
record UnregisteredBackend(String name, int rank, String className, String place)
    implements Backend {
  private static final String SERVICE_FILE = "META-INF/services/" + Backend.class.getName();
  private static final String FOLDER = "META-INF/mla4j/backends/";

  /** Those in the jar of this class, as {@code loader} sees it, that {@code isFound} denies. */
  static List<Backend> among(ClassLoader loader, Predicate<String> isFound) {
    String own = Backends.class.getName().replace('.', '/') + ".class";
    URL url = loader.getResource(own);
    if (url == null || !url.getProtocol().equals("jar")) {
      return new ArrayList<>();
    }
    Path jar = Path.of(URI.create(url.getPath().substring(0, url.getPath().indexOf("!/"))));
    try (JarFile file = new JarFile(jar.toFile())) {
      List<Backend> unregistered = new ArrayList<>();
      for (JarEntry entry : Collections.list(file.entries())) {
        String className = entry.getName().replaceFirst("^" + FOLDER, "");
        if (entry.getName().startsWith(FOLDER)
            && !className.isEmpty()
            && !isFound.test(className)) {
          String[] words =
              new String(file.getInputStream(entry).readAllBytes(), StandardCharsets.UTF_8)
                  .strip()
                  .split(" ");
          unregistered.add(
              new UnregisteredBackend(
                  words[0], Integer.parseInt(words[1]), className, jar.toString()));
        }
      }
      return unregistered;
    } catch (IOException | RuntimeException e) {
      // Advice is all that is lost.
      return new ArrayList<>();
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
