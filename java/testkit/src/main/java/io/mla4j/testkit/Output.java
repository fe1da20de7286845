package io.mla4j.testkit;

/**
 * What a kernel computed: dense values, and which of them it was asked for. The others were found
 * untouched.
 *
 * @param name of the result, as in mla.h
 */
public record Output(String name, float[] values, boolean[] asked) {}
