/** Vocabularies of several formats, each of which becomes one tokenizer.json in memory. */
@NullMarked
package io.mla4j.text.vocabulary;

import org.jspecify.annotations.NullMarked;
