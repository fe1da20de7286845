/**
 * A laboratory for trade-offs: attention with grouped keys and values becomes multi-head latent
 * attention without training, by methods that can be compared, and every choice is measured.
 */
package io.mla4j.lab;
