package io.mla4j;

import io.mla4j.cpu.ScalarBackend;
import io.mla4j.spi.Backend;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Finds and opens devices: the backends on the class path or module path, by rank.
 *
 * <p>Without a name the highest one that works is opened. Where others were passed over, one line
 * of the log {@code io.mla4j.backends} says which is used and why none of them is: a warning where
 * the kernels are therefore those in Java. A name is strict: a backend that is unknown or does not
 * work here is an error. So is an instruction set; given without a backend, it means the highest
 * backend that has it. Names come from the {@link Choice}, the system properties {@code
 * mla4j.backend} and {@code mla4j.isa}, or the environment variables {@code MLA4J_BACKEND} and
 * {@code MLA4J_ISA}, in this order.
 *
 * <p>Thread-safe.
 */
public final class Backends {
  /** A broken service file must not keep the search going for ever. */
  private static final int MAX_FAILURES = 100;

  /** Kernels in Java have lower ranks. */
  private static final int NATIVE_RANK = 200;

  private static final Comparator<Candidate> BY_RANK =
      Comparator.comparingInt(Candidate::rank).reversed();

  /** The backends of this process, looked for at the first question. */
  private static final class Found {
    static final List<Candidate> CANDIDATES =
        all(
            ServiceLoader.load(Backend.class, Backends.class.getClassLoader()).iterator(),
            Backends.class.getClassLoader());
  }

  private Backends() {}

  /** Looked for where there is something to say: it takes milliseconds of a process's start. */
  private static System.Logger logger() {
    return System.getLogger("io.mla4j.backends");
  }

  /**
   * What to open.
   *
   * @param backend a backend by name, or null for the property, the environment, the best
   * @param isa an instruction set by name, or null for the property, the environment, the fastest
   * @param threads threads of an operation, or 0 for the physical cores that the process may use
   */
  public record Choice(@Nullable String backend, @Nullable String isa, int threads) {
    /** The best device. */
    public static final Choice BEST = new Choice(null, null, 0);
  }

  /**
   * A backend and what it found out about this machine.
   *
   * @param name the name that selects it
   * @param rank the higher one of two that work is the default
   * @param available whether it works here
   * @param reason one line: why not, or why this instruction set
   * @param isas the instruction sets that can be named here, best first
   * @param library the library file in use, if any
   * @param version the library's version, if any
   * @param hasOwnMemory whether its devices are not the host's processors
   * @param details what else the backend says of itself, by name
   */
  public record Status(
      String name,
      int rank,
      boolean available,
      String reason,
      List<String> isas,
      Optional<Path> library,
      Optional<String> version,
      boolean hasOwnMemory,
      Map<String, String> details) {}

  /** As {@link #open(Choice)} with {@link Choice#BEST}. */
  public static Device open() {
    return open(Choice.BEST);
  }

  /**
   * Opens a device; close it after the caches on it.
   *
   * @throws BackendException where a named backend or instruction set is unknown or does not work
   *     here, with the reason
   * @throws InvalidArgumentException where threads is out of its range
   */
  public static Device open(Choice choice) {
    return new Selection(Found.CANDIDATES, System::getProperty, System::getenv).open(choice);
  }

  /**
   * All backends that were found, by falling rank, each probed; those whose class does not load
   * first.
   */
  public static List<Status> list() {
    return Found.CANDIDATES.stream().map(Candidate::status).toList();
  }

  /** The names that select a backend, by falling rank; nothing is probed. */
  public static List<String> names() {
    return Found.CANDIDATES.stream().filter(Candidate::isLoaded).map(Candidate::name).toList();
  }

  /**
   * Whether a backend of this name is there and its devices are not the host's processors; nothing
   * is probed.
   */
  public static boolean hasOwnMemory(String name) {
    return Found.CANDIDATES.stream()
        .anyMatch(candidate -> candidate.name().equals(name) && candidate.backend().hasOwnMemory());
  }

  /**
   * Does on the calling thread what {@link #open()} and the first operations would otherwise wait
   * for. A program that wants its first result soon calls it on a thread of its own while it does
   * something else. Never throws: what does not work is told by {@link #open()}.
   */
  public static void prepare() {
    for (Candidate candidate : Found.CANDIDATES) {
      if (candidate.probe().available()) {
        candidate.prepare();
        return;
      }
    }
  }

  /**
   * The providers, and what the service files may have lost: the scalar backend of this module,
   * which works whether a file names it or not, and those that only can say that they are lost.
   */
  static List<Candidate> all(Iterator<Backend> providers, ClassLoader loader) {
    List<Candidate> all = load(providers);
    Predicate<String> isFound = name -> all.stream().anyMatch(c -> c.isOf(name));
    // Of several providers, each has its service file, or the files were merged.
    List<Backend> lost =
        all.size() > 1 ? new ArrayList<>() : UnregisteredBackend.among(loader, isFound);
    if (!isFound.test(ScalarBackend.class.getName())) {
      lost.add(new ScalarBackend());
    }
    lost.forEach(backend -> all.add(new Candidate(backend)));
    all.sort(BY_RANK);
    return List.copyOf(all);
  }

  /** A provider that fails to load becomes a candidate with a reason. */
  static List<Candidate> load(Iterator<Backend> providers) {
    List<Candidate> found = new ArrayList<>();
    int failures = 0;
    while (failures < MAX_FAILURES) {
      try {
        if (!providers.hasNext()) {
          break;
        }
        found.add(new Candidate(providers.next()));
      } catch (ServiceConfigurationError | LinkageError e) {
        failures++;
        found.add(new Candidate(new UnloadedBackend(e)));
      }
    }
    found.sort(BY_RANK);
    return found;
  }

  /** A backend, or the failure to load it: an {@link UnloadedBackend}. */
  record Candidate(Backend backend) {
    String name() {
      return backend.name();
    }

    boolean isLoaded() {
      return !(backend instanceof UnloadedBackend);
    }

    /** Whether it is this class, or the failure to load it. */
    boolean isOf(String className) {
      return backend instanceof UnloadedBackend(Throwable failure)
          ? String.valueOf(failure.getMessage()).contains(className)
          : backend.getClass().getName().equals(className);
    }

    int rank() {
      return backend.rank();
    }

    Status status() {
      Backend.Probe found = probe();
      return new Status(
          name(),
          rank(),
          found.available(),
          found.reason(),
          found.isas(),
          found.library(),
          found.version(),
          backend.hasOwnMemory(),
          backend.details());
    }

    Backend.Probe probe() {
      try {
        return backend.probe();
      } catch (RuntimeException | LinkageError | ServiceConfigurationError e) {
        return new Backend.Probe(false, describe(e), List.of(), Optional.empty(), Optional.empty());
      }
    }

    void prepare() {
      try {
        backend.prepare();
      } catch (RuntimeException | LinkageError | ServiceConfigurationError e) {
        logger().log(Level.DEBUG, "backend " + name() + " could not be prepared", e);
      }
    }
  }

  /** One line of what failed and why. */
  static String describe(Throwable failure) {
    StringBuilder text = new StringBuilder(String.valueOf(failure.getMessage()));
    for (Throwable t = failure.getCause(); t != null; t = t.getCause()) {
      text.append(": ").append(t.getMessage());
    }
    if (text.indexOf("jdk.incubator.vector") >= 0 || text.indexOf("jdk/incubator/vector") >= 0) {
      text.append("; add --add-modules jdk.incubator.vector to the java command");
    }
    return text.toString().replaceAll("\\s*[\\r\\n]+\\s*", " ");
  }

  /** The choice among candidates; apart from the rest so that tests bring their own. */
  record Selection(
      List<Candidate> candidates,
      Function<String, @Nullable String> properties,
      Function<String, @Nullable String> environment) {
    Device open(Choice choice) {
      String backend = named(choice.backend(), "mla4j.backend", "MLA4J_BACKEND");
      String isa = named(choice.isa(), "mla4j.isa", "MLA4J_ISA");
      return backend == null ? openBest(isa, choice.threads()) : openNamed(backend, isa, choice);
    }

    private @Nullable String named(@Nullable String chosen, String property, String variable) {
      for (String name :
          new @Nullable String[] {
            chosen, properties.apply(property), environment.apply(variable)
          }) {
        if (name != null && !name.isBlank()) {
          return name.strip();
        }
      }
      return null;
    }

    private Device openNamed(String name, @Nullable String isa, Choice choice) {
      for (Candidate candidate : candidates) {
        if (candidate.isLoaded() && candidate.name().equals(name)) {
          Backend.Probe probe = candidate.probe();
          if (!probe.available()) {
            throw new BackendException(
                "backend " + name + " does not work here: " + probe.reason());
          }
          return open(candidate, new Backend.Options(choice.threads(), isa));
        }
      }
      String known =
          candidates.stream()
              .filter(Candidate::isLoaded)
              .map(Candidate::name)
              .collect(Collectors.joining(", "));
      String notLoaded =
          candidates.stream()
              .filter(c -> !c.isLoaded())
              .map(c -> "; one did not load: " + c.probe().reason())
              .collect(Collectors.joining());
      String unknown = "backend " + name + " is unknown, but must be one of " + known + notLoaded;
      for (Candidate candidate : candidates) {
        if (candidate.backend() instanceof UnloadedBackend(Throwable failure)) {
          throw new BackendException(unknown, failure);
        }
      }
      throw new BackendException(unknown);
    }

    private Device openBest(@Nullable String isa, int threads) {
      List<String> refused = new ArrayList<>();
      for (Candidate candidate : candidates) {
        Backend.Probe probe = candidate.probe();
        boolean fits = isa == null || probe.isas().contains(isa);
        if (probe.available() && fits) {
          Device device = open(candidate, new Backend.Options(threads, isa));
          if (!refused.isEmpty()) {
            // Nobody is to wait for slow kernels without having been told.
            boolean slow = isa == null && candidate.rank() < NATIVE_RANK;
            log(slow ? Level.WARNING : Level.INFO, device, refused);
          }
          return device;
        }
        String reason = probe.available() ? "it has only isa " + probe.isas() : probe.reason();
        if (!probe.available() && candidate.backend().demanded()) {
          throw new BackendException(
              "backend " + candidate.name() + " does not work here: " + reason);
        }
        refused.add(candidate.name() + " (" + reason + ")");
      }
      throw new BackendException(
          (isa == null ? "no backend works here: " : "isa " + isa + " is not available: ")
              + String.join("; ", refused));
    }

    private static Device open(Candidate candidate, Backend.Options options) {
      try {
        return candidate.backend().open(options);
      } catch (LinkageError e) {
        throw new BackendException(
            "backend " + candidate.name() + " does not work here: " + describe(e), e);
      }
    }

    private static void log(Level level, Device device, List<String> refused) {
      logger()
          .log(
              level,
              "backend {0}, isa {1}, {2} threads (passed over: {3})",
              device.backend(),
              device.isa(),
              device.threads(),
              String.join("; ", refused));
    }
  }
}
