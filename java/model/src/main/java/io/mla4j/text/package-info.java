/** Text in, text out: tokenizer, sampling, stop texts, generation. */
@NullMarked
package io.mla4j.text;

import org.jspecify.annotations.NullMarked;
