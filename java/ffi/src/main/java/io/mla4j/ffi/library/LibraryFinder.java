package io.mla4j.ffi.library;

import io.mla4j.BackendException;
import io.mla4j.extract.Digest;
import io.mla4j.extract.Extraction;
import io.mla4j.extract.PackedFile;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/**
 * Finds the file of a library: the one that the user names, else the one in the folder that a build
 * names, else the jar's for this platform, {@linkplain Extraction extracted}.
 *
 * @param kind such as {@code cpu}: the library is {@code libmla4j_kind.so}, named by the property
 *     {@code mla4j.kind.library} or the variable {@code MLA4J_KIND_LIBRARY}, in the folder of the
 *     property {@code mla4j.kind.folder}
 * @param properties system properties by name
 * @param environment environment variables by name
 * @param resources files of the jar by their path
 */
public record LibraryFinder(
    String kind,
    UnaryOperator<String> properties,
    UnaryOperator<String> environment,
    Resources resources) {
  /** Files of the jar. */
  @FunctionalInterface
  public interface Resources {
    /** Where a file is, or null where there is none. */
    URL find(String path);
  }

  /** The finder of this process for a kind of library. */
  public static LibraryFinder ofProcess(String kind) {
    return new LibraryFinder(
        kind,
        System::getProperty,
        System::getenv,
        LibraryFinder.class.getClassLoader()::getResource);
  }

  /** Whether the user insists on a file: it is loaded or nothing is. */
  public boolean isNamed() {
    return named().isPresent();
  }

  private Optional<String> named() {
    return value(properties.apply("mla4j." + kind + ".library"))
        .or(() -> value(environment.apply("MLA4J_" + kind.toUpperCase(Locale.ROOT) + "_LIBRARY")));
  }

  /**
   * What became of looking for a library.
   *
   * @param file the file, or null where none was found
   * @param library the opened library, or null
   * @param failure why there is none, or null
   */
  public record Found<L>(Path file, L library, BackendException failure) {}

  /** Finds the file and opens it; never throws. */
  public <L> Found<L> open(Function<Path, L> opener) {
    Path[] file = {null};
    try {
      L library =
          load(
              found -> {
                file[0] = found;
                return opener.apply(found);
              });
      return new Found<>(file[0], library, null);
    } catch (BackendException e) {
      return new Found<>(file[0], null, e);
    } catch (InvalidPathException e) {
      return new Found<>(null, null, new BackendException("no path: " + e.getMessage(), e));
    } catch (IllegalCallerException e) {
      return new Found<>(file[0], null, new BackendException(e.getMessage(), e));
    }
  }

  /**
   * Finds the file, extracted if need be, and has it loaded.
   *
   * @param loader given the file, which may be gone after it returns
   * @throws BackendException where there is none, with the reason
   */
  public <L> L load(Function<Path, L> loader) {
    String name = System.mapLibraryName("mla4j_" + kind);
    Optional<Path> onDisk = named().map(Path::of).or(() -> inFolder(name));
    if (onDisk.isPresent()) {
      return loader.apply(onDisk.get());
    }
    String resource = Platform.of(properties).resource(name);
    return new Extraction(properties, environment).load(List.of(packed(name, resource)), loader);
  }

  private PackedFile packed(String name, String resource) {
    URL url = resources.find(resource);
    try {
      if (url == null) {
        throw new BackendException(whyMissing(resource));
      }
      return new PackedFile(name, Digest.of(url), url::openStream);
    } catch (IOException e) {
      throw new BackendException(resource + " in the jar cannot be read: " + e.getMessage(), e);
    }
  }

  /** The file in the folder of a build, where one is named. */
  private Optional<Path> inFolder(String name) {
    Optional<Path> file =
        value(properties.apply(folderProperty())).map(folder -> Path.of(folder).resolve(name));
    if (file.isPresent() && !Files.isRegularFile(file.get())) {
      throw new BackendException(
          "there is no " + file.get() + " (-D" + folderProperty() + " names its folder)");
    }
    return file;
  }

  private String folderProperty() {
    return "mla4j." + kind + ".folder";
  }

  /**
   * The build leaves a line where it could not make the library; a jar for other platforms has
   * theirs.
   */
  private String whyMissing(String resource) throws IOException {
    String name = resource.substring(resource.lastIndexOf('/') + 1);
    URL said = resources.find("META-INF/native/" + missing());
    if (said != null) {
      try (InputStream in = said.openStream()) {
        String told = new String(in.readNBytes(1024), StandardCharsets.UTF_8).strip();
        return "no " + name + " was built: " + told;
      }
    }
    List<String> others = new ArrayList<>();
    for (Platform platform : Platform.PACKAGED) {
      if (has(platform)) {
        others.add(platform.folder());
      }
    }
    return "there is no "
        + resource
        + " in the jar, which has "
        + (others.isEmpty() ? "no native library" : "those for " + String.join(", ", others));
  }

  private boolean has(Platform platform) {
    String stem = "mla4j_" + kind;
    for (String name : List.of("lib" + stem + ".so", "lib" + stem + ".dylib", stem + ".dll")) {
      if (resources.find(platform.resource(name)) != null) {
        return true;
      }
    }
    return false;
  }

  private String missing() {
    return kind.equals("cpu") ? "missing.txt" : "missing-" + kind + ".txt";
  }

  private static Optional<String> value(String text) {
    return Optional.ofNullable(text).filter(t -> !t.isBlank());
  }
}
