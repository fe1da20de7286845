package io.mla4j.ffi;

import io.mla4j.ffi.abi.Mla;

/** What {@link NativeKernels#probe} repeats, {@code MLA_PROBE_*}. */
public enum NativeProbe {
  /** Float32 multiply-adds of registers. */
  FMA_F32(Mla.MLA_PROBE_FMA_F32()),
  /** Dot products of bf16 pairs of registers. */
  DOT_BF16(Mla.MLA_PROBE_DOT_BF16()),
  /** Dot products of four int8 of registers. */
  DOT_INT8(Mla.MLA_PROBE_DOT_INT8()),
  /** Reading memory in order. */
  READ(Mla.MLA_PROBE_READ());

  private final int code;

  NativeProbe(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }
}
