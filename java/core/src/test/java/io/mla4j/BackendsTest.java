package io.mla4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.cpu.ScalarBackend;
import io.mla4j.spi.Backend;
import java.net.MalformedURLException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BackendsTest {
  @TempDir private Path folder;

  /** A backend that computes with scalar kernels under another name. */
  private record Fake(String name, int rank, String refusal, boolean demanded, List<String> isas)
      implements Backend {
    @Override
    public Probe probe() {
      return new Probe(
          refusal == null,
          refusal == null ? "works" : refusal,
          isas,
          Optional.empty(),
          Optional.empty());
    }

    @Override
    public Device open(Options options) {
      if (options.isa() != null && !isas.contains(options.isa())) {
        throw new BackendException("isa is " + options.isa() + ", but " + name + " has " + isas);
      }
      return new io.mla4j.cpu.CpuDevice(
          name, new io.mla4j.cpu.ScalarKernels(), io.mla4j.cpu.CpuDevice.ARENA_ALLOCATOR, 1);
    }
  }

  private static final Backend SCALAR = new ScalarBackend();
  private static final Backend FAST = new Fake("fast", 200, null, false, List.of("wide", "narrow"));
  private static final Backend BROKEN =
      new Fake("broken", 300, "no such processor", false, List.of());

  private static String open(
      List<Backend> backends,
      Backends.Choice choice,
      Map<String, String> properties,
      Map<String, String> environment) {
    Backends.Selection selection =
        new Backends.Selection(
            Backends.load(backends.iterator()), properties::get, environment::get);
    try (Device device = selection.open(choice)) {
      return device.backend();
    }
  }

  private static String open(List<Backend> backends, String backend, String isa) {
    return open(backends, new Backends.Choice(backend, isa, 1), Map.of(), Map.of());
  }

  private static String refusal(Runnable action) {
    return assertThrows(BackendException.class, action::run).getMessage();
  }

  @Test
  void scalarIsThereAndIsFound() {
    try (Device device = Backends.open(new Backends.Choice("scalar", null, 2))) {
      assertEquals("scalar", device.backend());
      assertEquals("scalar", device.isa());
      assertEquals(2, device.threads());
    }
    assertTrue(Backends.list().stream().anyMatch(s -> s.name().equals("scalar") && s.available()));
  }

  @Test
  void theHighestThatWorksIsTheDefault() {
    assertEquals("fast", open(List.of(SCALAR, FAST, BROKEN), null, null));
    assertEquals("scalar", open(List.of(BROKEN, SCALAR), null, null));
  }

  @Test
  void namesAreStrict() {
    assertEquals("scalar", open(List.of(SCALAR, FAST), "scalar", null));
    assertEquals(
        "backend broken does not work here: no such processor",
        refusal(() -> open(List.of(SCALAR, FAST, BROKEN), "broken", null)));
    assertEquals(
        "backend quick is unknown, but must be one of fast, scalar",
        refusal(() -> open(List.of(SCALAR, FAST), "quick", null)));
    assertEquals(
        "no backend works here: broken (no such processor)",
        refusal(() -> open(List.of(BROKEN), null, null)));
  }

  @Test
  void instructionSetsAreStrict() {
    assertEquals("fast", open(List.of(SCALAR, FAST), null, "narrow"));
    assertEquals("scalar", open(List.of(SCALAR, FAST), null, "scalar"));
    assertTrue(
        refusal(() -> open(List.of(SCALAR, FAST), null, "avx9")).startsWith("isa avx9 is not"));
    assertTrue(
        refusal(() -> open(List.of(SCALAR, FAST), "scalar", "narrow")).startsWith("isa is narrow"));
  }

  @Test
  void choiceBeatsPropertyBeatsEnvironment() {
    List<Backend> all = List.of(SCALAR, FAST);
    Map<String, String> scalarByProperty = Map.of("mla4j.backend", "scalar");
    Map<String, String> fastByVariable = Map.of("MLA4J_BACKEND", "fast");
    Backends.Choice best = new Backends.Choice(null, null, 1);
    assertEquals("scalar", open(all, best, scalarByProperty, fastByVariable));
    assertEquals("fast", open(all, best, Map.of(), fastByVariable));
    assertEquals(
        "fast", open(all, new Backends.Choice("fast", null, 1), scalarByProperty, Map.of()));
    assertEquals("fast", open(all, best, Map.of("mla4j.isa", "wide"), Map.of()));
    assertEquals("scalar", open(all, best, Map.of(), Map.of("MLA4J_ISA", "scalar")));
    assertEquals("fast", open(all, best, Map.of("mla4j.backend", " "), Map.of()));
  }

  @Test
  void demandedBackendIsNeverPassedOver() {
    Backend demanded = new Fake("mine", 250, "libmine.so is no library", true, List.of());
    assertEquals(
        "backend mine does not work here: libmine.so is no library",
        refusal(() -> open(List.of(SCALAR, demanded), null, null)));
    assertEquals("scalar", open(List.of(SCALAR, demanded), "scalar", null));
  }

  @Test
  void providerThatDoesNotLoadIsAReason() {
    Iterator<Backend> providers =
        new Iterator<>() {
          private int next;

          @Override
          public boolean hasNext() {
            return next < 2;
          }

          @Override
          public Backend next() {
            if (next++ == 0) {
              throw new ServiceConfigurationError(
                  "Provider Fast could not be instantiated",
                  new NoClassDefFoundError("jdk/incubator/vector/FloatVector"));
            }
            return SCALAR;
          }
        };
    List<Backends.Candidate> candidates = Backends.load(providers);
    Backends.Selection selection = new Backends.Selection(candidates, _ -> null, _ -> null);
    BackendException e =
        assertThrows(
            BackendException.class, () -> selection.open(new Backends.Choice("fast", null, 1)));
    assertTrue(e.getMessage().contains("add --add-modules jdk.incubator.vector"), e.getMessage());
    assertNotNull(e.getCause());
    List<String> log = logged(() -> selection.open(new Backends.Choice(null, null, 1)).close());
    assertEquals(1, log.size());
    assertTrue(log.getFirst().startsWith("backend scalar, isa scalar, 1 threads"), log.getFirst());
    assertTrue(log.getFirst().contains("jdk/incubator/vector/FloatVector"), log.getFirst());
  }

  /** A jar of all jars may have lost the files that name the backends. */
  @Test
  void scalarWorksWithoutAServiceFile() {
    List<Backends.Candidate> none =
        Backends.all(List.<Backend>of().iterator(), Backends.class.getClassLoader());
    assertEquals(List.of("scalar"), none.stream().map(Backends.Candidate::name).toList());
    List<Backends.Candidate> one =
        Backends.all(List.of(SCALAR).iterator(), Backends.class.getClassLoader());
    assertEquals(1, one.size(), "and is there once");
  }

  @Test
  void aBackendThatIsThereButNotRegisteredSaysSo() throws Exception {
    Path jar = folder.resolve("all.jar");
    try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar))) {
      out.putNextEntry(new JarEntry("META-INF/mla4j/backends/io.mla4j.ffi.NativeBackend"));
      out.write("native 200\n".getBytes(StandardCharsets.UTF_8));
    }
    // A loader that sees the classes of core in a jar of all jars.
    ClassLoader loader =
        new ClassLoader() {
          @Override
          public URL getResource(String name) {
            return name.equals("io/mla4j/Backends.class")
                ? url("jar:" + jar.toUri() + "!/" + name)
                : null;
          }
        };
    List<Backends.Candidate> all = Backends.all(List.<Backend>of().iterator(), loader);
    assertEquals(List.of("native", "scalar"), all.stream().map(Backends.Candidate::name).toList());
    Backends.Selection selection = new Backends.Selection(all, _ -> null, _ -> null);
    String told = "io.mla4j.ffi.NativeBackend is in " + jar + ", but not registered: no META-INF/";
    String refusal = refusal(() -> selection.open(new Backends.Choice("native", null, 1)));
    assertTrue(refusal.contains(told), refusal);
    List<String> log = logged(() -> selection.open(new Backends.Choice(null, null, 1)).close());
    assertTrue(log.getFirst().contains("passed over: native (" + told), log.getFirst());
  }

  private static URL url(String text) {
    try {
      return new URI(text).toURL();
    } catch (URISyntaxException | MalformedURLException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void serviceFileThatNeverEndsDoesNotHang() {
    Iterator<Backend> providers =
        new Iterator<>() {
          @Override
          public boolean hasNext() {
            throw new ServiceConfigurationError("broken file");
          }

          @Override
          public Backend next() {
            throw new ServiceConfigurationError("broken file");
          }
        };
    assertTrue(Backends.load(providers).size() < 1000);
  }

  @Test
  void probeThatThrowsIsAReason() {
    Backend throwing =
        new Backend() {
          @Override
          public String name() {
            return "throwing";
          }

          @Override
          public int rank() {
            return 400;
          }

          @Override
          public Probe probe() {
            throw new UnsatisfiedLinkError("libmissing.so");
          }

          @Override
          public Device open(Options options) {
            throw new AssertionError();
          }
        };
    assertEquals("scalar", open(List.of(throwing, SCALAR), null, null));
    assertEquals(
        "backend throwing does not work here: libmissing.so",
        refusal(() -> open(List.of(throwing, SCALAR), "throwing", null)));
  }

  private record Unprepared(Error failure) implements Backend {
    @Override
    public String name() {
      return "unprepared";
    }

    @Override
    public int rank() {
      return 400;
    }

    @Override
    public Probe probe() {
      throw failure;
    }

    @Override
    public Device open(Options options) {
      throw new AssertionError();
    }

    @Override
    public void prepare() {
      throw failure;
    }
  }

  @Test
  void whatFailsToPrepareIsToldByOpening() {
    for (Error failure :
        List.of(new UnsatisfiedLinkError("a"), new ServiceConfigurationError("a"))) {
      Backends.Candidate candidate = new Backends.Candidate(new Unprepared(failure));
      candidate.prepare();
      assertEquals("a", candidate.probe().reason());
    }
  }

  @Test
  void logsToldToUsersNameWhatWasPassedOver() {
    assertEquals(List.of(), logged(() -> open(List.of(FAST, SCALAR), null, null)));
    assertEquals(List.of(), logged(() -> open(List.of(BROKEN, FAST), "fast", null)));
    List<String> log = logged(() -> open(List.of(BROKEN, FAST, SCALAR), null, null));
    assertEquals(1, log.size());
    assertTrue(log.getFirst().contains("no such processor"), log.getFirst());
  }

  private static List<String> logged(Runnable action) {
    List<String> lines = new ArrayList<>();
    Logger logger = Logger.getLogger("io.mla4j.backends");
    Handler handler =
        new Handler() {
          @Override
          public void publish(LogRecord record) {
            lines.add(java.text.MessageFormat.format(record.getMessage(), record.getParameters()));
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    logger.addHandler(handler);
    logger.setUseParentHandlers(false);
    try {
      action.run();
    } finally {
      logger.removeHandler(handler);
      logger.setUseParentHandlers(true);
    }
    return lines;
  }
}
