/**
 * Files that come in a jar and have to lie on disk before they can be used: the libraries of the
 * backends and of the tokenizer. For the modules of this project alone.
 */
@NullMarked
package io.mla4j.extract;

import org.jspecify.annotations.NullMarked;
