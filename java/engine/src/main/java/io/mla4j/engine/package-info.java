/**
 * One model that serves many requests at once: {@link io.mla4j.engine.Engine}. What is asked for is
 * a {@link io.mla4j.engine.Request}; what comes is an {@link io.mla4j.engine.Answer} of {@link
 * io.mla4j.engine.Event}s. Servers and libraries are doors above it.
 */
@NullMarked
package io.mla4j.engine;

import org.jspecify.annotations.NullMarked;
