/** The commands {@code convert} and {@code sweep}. */
package io.mla4j.lab.command;
