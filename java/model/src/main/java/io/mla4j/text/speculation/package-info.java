/**
 * Tokens that are guessed, and checked several at a time: what guesses them, and how many of them
 * pay.
 */
@NullMarked
package io.mla4j.text.speculation;

import org.jspecify.annotations.NullMarked;
