/** Models: configuration, checkpoints, tokenizer, decoder, sampling, text generation. */
package io.mla4j.model;
