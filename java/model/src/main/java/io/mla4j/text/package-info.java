/** Text in, text out: tokenizer, sampling, stop texts, generation. */
package io.mla4j.text;
