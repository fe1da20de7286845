package io.mla4j.extract;

import io.mla4j.BackendException;
import java.lang.System.Logger.Level;
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
 * The one rule by which files of jars come to disk: into the folder that the property {@code
 * mla4j.cache} or the variable {@code MLA4J_CACHE} names, and no other; without one into the user's
 * cache; where that is missing, full, read-only or mounted noexec, into a private folder for
 * temporary files, which is gone again as soon as its files are loaded.
 *
 * <p>What is kept lies in {@code FOLDER/mla4j/DIGEST/NAME}. Each start compares it with its digest;
 * a file that a crash or a full disk has cut short is written again.
 *
 * @param properties system properties by name
 * @param environment environment variables by name
 */
public record Extraction(UnaryOperator<String> properties, UnaryOperator<String> environment) {
  private static final String PROPERTY = "mla4j.cache";
  private static final String VARIABLE = "MLA4J_CACHE";

  /** The way out, for messages. */
  private static final String WAY_OUT =
      "name a folder to write to and to load libraries from with -D" + PROPERTY + " or " + VARIABLE;

  /** As this process was told. */
  public static Extraction ofProcess() {
    return new Extraction(System::getProperty, System::getenv);
  }

  /**
   * Has a library loaded from a file that all processes of the user share.
   *
   * @param files that must lie in one folder, the library last
   * @param loader given the library's path, which may be gone after it returns
   * @throws BackendException where no folder can be used, with the reason for each
   */
  public <L> L load(List<PackedFile> files, Function<Path, L> loader) {
    return load(files, true, loader);
  }

  /**
   * As {@link #load}, from a copy of its own: what JNI needs in a second class loader, since the
   * JVM binds a path to one class loader.
   */
  public <L> L loadCopy(List<PackedFile> files, Function<Path, L> loader) {
    return load(files, false, loader);
  }

  private <L> L load(List<PackedFile> files, boolean shared, Function<Path, L> loader) {
    List<String> refused = new ArrayList<>();
    for (Folder folder : folders(refused)) {
      try (Placed placed = folder.place(files, shared)) {
        if (!refused.isEmpty()) {
          System.getLogger("io.mla4j.extract")
              .log(
                  Level.INFO,
                  "{0} is unpacked for this start alone: {1}; {2}",
                  files.getLast().name(),
                  String.join("; ", refused),
                  WAY_OUT);
        }
        return loader.apply(placed.library());
      } catch (UnusableFolderException e) {
        refused.add(e.getMessage());
      }
    }
    throw new BackendException(
        "the library "
            + files.getLast().name()
            + " can be put nowhere: "
            + String.join("; ", refused)
            + "; "
            + WAY_OUT);
  }

  /** Those to try, in order; why one is left out is added to {@code refused}. */
  private List<Folder> folders(List<String> refused) {
    Optional<String> given =
        value(properties.apply(PROPERTY)).or(() -> value(environment.apply(VARIABLE)));
    if (given.isPresent()) {
      return List.of(Folder.kept(path(given.get()).resolve("mla4j")));
    }
    List<Folder> folders = new ArrayList<>();
    userCache()
        .ifPresentOrElse(
            cache -> folders.add(Folder.kept(cache.resolve("mla4j"))),
            () -> refused.add("the user has no home folder"));
    value(properties.apply("java.io.tmpdir"))
        .ifPresent(temporary -> folders.add(Folder.temporary(path(temporary))));
    return folders;
  }

  private static Path path(String text) {
    try {
      return Path.of(text).toAbsolutePath();
    } catch (InvalidPathException e) {
      throw new BackendException("no folder to extract to: " + e.getMessage(), e);
    }
  }

  private Optional<Path> userCache() {
    String os = properties.apply("os.name").toLowerCase(Locale.ROOT);
    if (os.startsWith("windows")) {
      return absolute(environment.apply("LOCALAPPDATA"));
    }
    if (os.startsWith("mac")) {
      return home().map(h -> h.resolve("Library").resolve("Caches"));
    }
    return absolute(environment.apply("XDG_CACHE_HOME"))
        .or(() -> home().map(h -> h.resolve(".cache")));
  }

  /** One that exists: a user without one must not be given one. */
  private Optional<Path> home() {
    return absolute(properties.apply("user.home")).filter(Files::isDirectory);
  }

  /** The JVM says {@code ?} where it knows no home; XDG's rule is to ignore what is relative. */
  private static Optional<Path> absolute(String text) {
    return value(text).filter(t -> t.indexOf('\0') < 0).map(Path::of).filter(Path::isAbsolute);
  }

  private static Optional<String> value(String text) {
    return Optional.ofNullable(text).filter(t -> !t.isBlank());
  }
}
