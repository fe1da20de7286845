/** The decoder: from token ids to hidden states, logits and rows of the latent cache. */
@NullMarked
package io.mla4j.model;

import org.jspecify.annotations.NullMarked;
