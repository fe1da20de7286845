/** The decoder: from token ids to hidden states, logits and rows of the latent cache. */
package io.mla4j.model;
