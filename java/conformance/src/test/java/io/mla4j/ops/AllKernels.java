package io.mla4j.ops;

import io.mla4j.cpu.ScalarKernels;
import io.mla4j.ffi.NativeBackend;
import io.mla4j.ffi.NativeLibrary;
import io.mla4j.spi.Backend.Probe;
import io.mla4j.spi.Kernels;
import io.mla4j.testkit.QuickRun;
import io.mla4j.vector.VectorTestKernels;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * Every set of kernels that runs here: scalar, vector, and each instruction set of the native
 * library where one was built.
 */
final class AllKernels {
  /** Set where a compiler is there: then a missing library is a failure. */
  private static final String REQUIRE = "MLA4J_REQUIRE_NATIVE";

  /** Names those that are tested alone, with commas between them. */
  private static final String ONLY = "mla4j.test.kernels";

  private static final List<Kernels> ALL = find();

  private AllKernels() {}

  static List<Kernels> all() {
    return ALL;
  }

  /**
   * All, or in a quick run those in Java and the newest native ones: for tests of what is built of
   * operations, whose table has all of them.
   */
  static Stream<Kernels> ofSequences() {
    return ALL.stream().limit(QuickRun.isOn() ? 3 : ALL.size());
  }

  private static List<Kernels> find() {
    List<Kernels> kernels = new ArrayList<>();
    kernels.add(new ScalarKernels());
    kernels.add(VectorTestKernels.create());
    Probe probe = new NativeBackend().probe();
    if (probe.available()) {
      NativeLibrary library = NativeLibrary.open(probe.library().orElseThrow());
      for (String isa : probe.isas()) {
        kernels.add(library.kernels(isa));
      }
    } else if ("1".equals(System.getenv(REQUIRE))) {
      throw new AssertionError(REQUIRE + " is 1, but " + probe.reason());
    }
    String only = System.getProperty(ONLY);
    return only == null
        ? kernels
        : kernels.stream().filter(one -> List.of(only.split(",")).contains(one.isa())).toList();
  }
}
