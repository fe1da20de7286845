/** Models: checkpoints, the decoder, text in and out. */
module io.mla4j.model {
  requires transitive io.mla4j.core;
  requires ai.djl.tokenizers;
  requires com.fasterxml.jackson.core;
  requires com.fasterxml.jackson.databind;

  exports io.mla4j.checkpoint;
  exports io.mla4j.model;
  exports io.mla4j.text;
}
