/**
 * What a text may be, byte by byte: JSON, JSON of a schema, and JSON between other texts. Masks
 * over a vocabulary are found by walking the tree of its tokens' bytes with an automaton.
 */
@NullMarked
package io.mla4j.engine.json;

import org.jspecify.annotations.NullMarked;
