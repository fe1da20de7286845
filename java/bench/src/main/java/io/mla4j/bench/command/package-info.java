/** {@code mla4j bench}: its commands and their options. */
package io.mla4j.bench.command;
