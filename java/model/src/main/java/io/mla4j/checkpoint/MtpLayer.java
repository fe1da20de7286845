package io.mla4j.checkpoint;

/** What becomes of a layer for multi-token prediction when a model is written as a GGUF file. */
public enum MtpLayer {
  /** The file has it, as {@code blk.N.nextn.*} and a block behind the last. */
  KEEP,
  /** The file is without it, as those of llama.cpp's conversion of DeepSeek's models. */
  DROP
}
