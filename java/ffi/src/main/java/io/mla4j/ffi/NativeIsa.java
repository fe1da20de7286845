package io.mla4j.ffi;

import io.mla4j.AttentionCosts;
import io.mla4j.BackendException;
import io.mla4j.ffi.abi.Mla;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** An instruction set for which the library has a table of kernels, {@code MLA_ISA_*}. */
public enum NativeIsa {
  /** What every processor of the platform has. */
  GENERIC("generic", Mla.MLA_ISA_GENERIC(), new AttentionCosts(48.5, 68, 52, 44, 1)),
  /** AVX2, FMA and F16C. */
  AVX2("avx2", Mla.MLA_ISA_AVX2(), new AttentionCosts(17, 20, 17, 17.6, 1)),
  /** AVX-512 F, BW, DQ and VL; bf16 is widened to float32. */
  AVX512("avx512", Mla.MLA_ISA_AVX512(), new AttentionCosts(8.3, 10.2, 8, 9.4, 1)),
  /** AVX-512 with the bf16 dot product. */
  AVX512BF16("avx512bf16", Mla.MLA_ISA_AVX512BF16(), new AttentionCosts(4.1, 6, 4.2, 4, 15));

  private final String id;
  private final int code;
  private final AttentionCosts attentionCosts;

  /** The costs are measured on one thread of a Zen 5 with a bf16 cache, docs/architecture.md. */
  NativeIsa(String id, int code, AttentionCosts attentionCosts) {
    this.id = id;
    this.code = code;
    this.attentionCosts = attentionCosts;
  }

  /** The name that users say. */
  public String id() {
    return id;
  }

  int code() {
    return code;
  }

  /** Of kernels that call themselves {@code id}; even ones where that is no known name. */
  static AttentionCosts attentionCosts(String id) {
    for (NativeIsa isa : values()) {
      if (isa.id.equals(id)) {
        return isa.attentionCosts;
      }
    }
    return AttentionCosts.EVEN;
  }

  /**
   * The instruction set that users call {@code id}.
   *
   * @throws BackendException where there is none, with those that are known
   */
  public static NativeIsa of(String id) {
    for (NativeIsa isa : values()) {
      if (isa.id.equals(id)) {
        return isa;
      }
    }
    throw new BackendException(
        "isa is "
            + id
            + ", but must be one of "
            + Stream.of(values()).map(NativeIsa::id).collect(Collectors.joining(", ")));
  }

  /** {@code best} first, then the others whose bit is set, newest first. */
  static List<NativeIsa> supported(int bits, int best) {
    List<NativeIsa> found = new ArrayList<>();
    for (int i = values().length - 1; i >= 0; i--) {
      NativeIsa isa = values()[i];
      if (isa.code == best) {
        found.addFirst(isa);
      } else if ((bits >> isa.code & 1) != 0) {
        found.addLast(isa);
      }
    }
    return List.copyOf(found);
  }
}
