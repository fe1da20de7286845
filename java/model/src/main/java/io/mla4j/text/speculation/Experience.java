package io.mla4j.text.speculation;

/**
 * What is known of times from texts that a model has written: a new text needs no trials then.
 *
 * @param passes through the model
 * @param guesses of one kind
 */
public record Experience(PassTimes passes, GuessTimes guesses) {}
