/**
 * Multi-head Latent Attention on the JVM.
 *
 * <p>{@link io.mla4j.Attention} is the shortest way in; {@link io.mla4j.LatentCache} holds the latent rows of many sequences; {@link
 * io.mla4j.Backends} opens a device.
 */
package io.mla4j;
