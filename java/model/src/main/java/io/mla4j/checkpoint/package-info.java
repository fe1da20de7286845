/**
 * The files of a model: configuration and families, safetensors, tensors by their place in the
 * model.
 */
package io.mla4j.checkpoint;
