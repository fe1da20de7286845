/**
 * The files of a model: configuration and families, safetensors, tensors by their place in the
 * model.
 */
@NullMarked
package io.mla4j.checkpoint;

import org.jspecify.annotations.NullMarked;
