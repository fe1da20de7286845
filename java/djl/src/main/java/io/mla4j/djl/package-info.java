/**
 * Tensors over memory that another library owns, and back, without copies: {@link
 * io.mla4j.djl.DjlArrays} for DJL's PyTorch engine, {@link io.mla4j.djl.ArrowBuffers} for Arrow. A
 * MemorySegment and a ByteBuffer need nothing of this: {@link io.mla4j.ops.Tensor#of} takes both.
 */
package io.mla4j.djl;
