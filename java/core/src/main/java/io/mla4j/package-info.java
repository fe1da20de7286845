/**
 * Multi-head Latent Attention on the JVM.
 *
 * <p>A tour, from the outside in:
 *
 * <ul>
 *   <li>{@link io.mla4j.Backends} opens a {@link io.mla4j.Device}: the fastest that works here, or
 *       the one that is named;
 *   <li>{@link io.mla4j.LatentCache} is a pool of pages on it; a {@link io.mla4j.Sequence} holds
 *       the rows of one text and can be truncated and forked;
 *   <li>{@link io.mla4j.Attention} appends and attends with plain arrays, the shortest way in;
 *   <li>{@link io.mla4j.Batch} takes several sequences through a {@link io.mla4j.Step}: its {@link
 *       io.mla4j.DecodePlan} is used by every layer of a model, with the {@link
 *       io.mla4j.ops.Operation}s on {@link io.mla4j.ops.Tensor}s and {@link io.mla4j.ops.Weight}s;
 *   <li>{@link io.mla4j.MlaShape} and {@link io.mla4j.LatentLayout} are the sizes; errors are
 *       {@link io.mla4j.Mla4jException}s.
 * </ul>
 *
 * <p>Devices and caches are thread-safe; a sequence, with its steps and plans, belongs to one
 * thread at a time.
 */
@NullMarked
package io.mla4j;

import org.jspecify.annotations.NullMarked;
