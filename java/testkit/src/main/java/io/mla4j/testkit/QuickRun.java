package io.mla4j.testkit;

import io.mla4j.Backends;

/**
 * A run of tests that is a look of some minutes, {@code -Dmla4j.test.quick=true}: a tenth of the
 * random cases, and whole models on the best backend alone, whose kernels and all others the table
 * of operations compares with the oracle there too.
 */
public final class QuickRun {
  /** The property, for annotations that leave tests out. */
  public static final String PROPERTY = "mla4j.test.quick";

  private QuickRun() {}

  /** Whether this is one. */
  public static boolean isOn() {
    return Boolean.getBoolean(PROPERTY);
  }

  /** How many of so many cases it takes: a tenth. */
  public static int part(int cases) {
    return isOn() ? Math.ceilDiv(cases, 10) : cases;
  }

  /** Whether it leaves a backend's models out. */
  public static boolean leavesOut(String backend) {
    return isOn()
        && !backend.equals(
            Backends.list().stream()
                .filter(Backends.Status::available)
                .map(Backends.Status::name)
                .findFirst()
                .orElse(backend));
  }
}
