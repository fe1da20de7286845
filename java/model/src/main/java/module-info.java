/** Models: checkpoints, the decoder, text in and out. */
module io.mla4j.model {
  requires transitive io.mla4j.core;
  requires ai.djl.tokenizers;
  requires com.fasterxml.jackson.core;
  requires com.fasterxml.jackson.databind;
  requires static org.jspecify;
  // The tokenizer's library uses these two, and has no descriptor that says so.
  requires com.google.gson;
  requires org.slf4j;

  exports io.mla4j.checkpoint;
  exports io.mla4j.model;
  exports io.mla4j.text;
  exports io.mla4j.text.speculation to
      io.mla4j.engine;
  exports io.mla4j.text.template;
}
