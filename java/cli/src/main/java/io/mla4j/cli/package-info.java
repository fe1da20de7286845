/** The {@code mla4j} command: one class for each of its commands. */
package io.mla4j.cli;
