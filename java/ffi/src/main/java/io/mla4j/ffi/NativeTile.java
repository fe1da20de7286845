package io.mla4j.ffi;

import io.mla4j.BackendException;
import io.mla4j.InvalidArgumentException;
import io.mla4j.ffi.abi.Mla;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * An operation of the library. {@link #prepare} looks at every segment and fills the struct of
 * numbers, so that a run is one downcall: ranges are checked by the library, and each segment is an
 * argument of its own, whose arena stays open until the call returns.
 */
abstract class NativeTile implements TileKernel {
  static final MemorySegment NULL = MemorySegment.NULL;
  static final long WORKSPACE_ALIGNMENT = 64;

  /** Address of the library's function. */
  final MemorySegment function;

  NativeTile(MemorySegment function) {
    this.function = function;
  }

  static int errorBytes(Tile tile) {
    return (int) tile.error().byteSize();
  }

  /** Turns a status and the library's text into an exception. */
  static void check(Tile tile, int status) {
    if (status != Mla.MLA_OK()) {
      throw failure(tile.error(), status);
    }
  }

  private static RuntimeException failure(MemorySegment error, int status) {
    String text = error.getString(0);
    // The next failure may come without a text.
    error.set(ValueLayout.JAVA_BYTE, 0, (byte) 0);
    if (text.isEmpty()) {
      text =
          status == Mla.MLA_UNSUPPORTED()
              ? "the library does not support it"
              : "the library refuses it with status " + status + " and no text";
    }
    if (status == Mla.MLA_INVALID_ARGUMENT()
        || status == Mla.MLA_UNSUPPORTED()
        || status == Mla.MLA_WORKSPACE_TOO_SMALL()) {
      return new InvalidArgumentException(text);
    }
    return new BackendException("the native kernel failed with status " + status + ": " + text);
  }
}
