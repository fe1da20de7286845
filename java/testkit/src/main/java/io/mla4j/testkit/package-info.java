/**
 * What tests of kernels share: a double-precision oracle, guarded memory, and the table of
 * operations with random cases of each. Depends on no test framework; failures are {@link
 * java.lang.AssertionError}s.
 */
package io.mla4j.testkit;
