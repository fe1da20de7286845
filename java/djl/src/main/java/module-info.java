/** Tensors over the memory of DJL's arrays and Arrow's buffers, and back. */
module io.mla4j.djl {
  requires transitive io.mla4j.core;
  requires static transitive ai.djl.api;
  requires static ai.djl.pytorch_engine;
  requires static transitive org.apache.arrow.memory.core;

  exports io.mla4j.djl;
}
