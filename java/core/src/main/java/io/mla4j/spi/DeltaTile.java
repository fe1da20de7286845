package io.mla4j.spi;

import io.mla4j.StateLayout;
import io.mla4j.ops.AttendDelta;
import io.mla4j.ops.Operation;
import java.lang.foreign.MemorySegment;

/**
 * The new tokens of one sequence through its state in one layer. A tile's heads are those of the
 * state; every call computes all tokens. Set anew for every step. Not thread-safe.
 */
public final class DeltaTile implements Operation {
  private final AttendDelta operation;
  private final StateLayout state;
  private MemorySegment before = MemorySegment.NULL;
  private MemorySegment after = MemorySegment.NULL;
  private int firstToken;
  private int tokens;

  /** Tokens of a step's operation. */
  public DeltaTile(AttendDelta operation) {
    this.operation = operation;
    this.state = operation.state();
  }

  /**
   * The states: one that is read, {@link MemorySegment#NULL} for all zeros, and one that is
   * written, apart from it.
   */
  public void states(MemorySegment before, MemorySegment after) {
    this.before = before;
    this.after = after;
  }

  /** The sequence's tokens: {@code tokens} rows of the operands from {@code firstToken} on. */
  public void tokens(int firstToken, int tokens) {
    this.firstToken = firstToken;
    this.tokens = tokens;
  }

  /** What is computed, of all sequences. */
  public AttendDelta operation() {
    return operation;
  }

  /** What a state is. */
  public StateLayout state() {
    return state;
  }

  /** The state before the first of the tokens, or {@link MemorySegment#NULL} for all zeros. */
  public MemorySegment before() {
    return before;
  }

  /** Where the state behind the last of the tokens goes. */
  public MemorySegment after() {
    return after;
  }

  /** Whether there is nothing before the first of the tokens. */
  public boolean isFresh() {
    return before.address() == 0 && before.byteSize() == 0;
  }

  /** The row of the operands that is token 0. */
  public int firstToken() {
    return firstToken;
  }

  /** Tokens of the sequence. */
  public int tokens() {
    return tokens;
  }
}
