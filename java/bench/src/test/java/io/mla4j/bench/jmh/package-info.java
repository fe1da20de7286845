/**
 * JMH benchmarks of what is too short for {@code mla4j bench}: a downcall, a dispatch, a token's
 * garbage, append and fork. docs/benchmarks.md tells how to run them.
 */
package io.mla4j.bench.jmh;
