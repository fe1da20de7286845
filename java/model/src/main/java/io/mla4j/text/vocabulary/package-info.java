/** Vocabularies of several formats, each of which becomes one tokenizer.json in memory. */
package io.mla4j.text.vocabulary;
