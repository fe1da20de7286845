package io.mla4j.spi;

import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.Operation;

/**
 * The new tokens of one sequence into its pages: token t of the tile becomes token {@code position
 * + t} of the sequence. A tile's rows are these tokens.
 */
public final class AppendTile extends CachePages implements Operation {
  private final AppendLatent operation;
  private int firstToken;
  private int tokens;
  private int position;

  /** Tokens of a step's operation. */
  public AppendTile(AppendLatent operation) {
    this.operation = operation;
  }

  /** The sequence's tokens: {@code tokens} rows of the operands from {@code firstToken} on. */
  public void tokens(int firstToken, int tokens, int position) {
    this.firstToken = firstToken;
    this.tokens = tokens;
    this.position = position;
  }

  /** What is appended, of all sequences. */
  public AppendLatent operation() {
    return operation;
  }

  /** The row of the operands that is token 0. */
  public int firstToken() {
    return firstToken;
  }

  /** Tokens of the sequence. */
  public int tokens() {
    return tokens;
  }

  /** Where token 0 stands in its sequence. */
  public int position() {
    return position;
  }
}
