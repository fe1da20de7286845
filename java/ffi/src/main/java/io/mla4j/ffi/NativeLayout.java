package io.mla4j.ffi;

import io.mla4j.BackendException;
import io.mla4j.ffi.abi.mla_append_params;
import io.mla4j.ffi.abi.mla_attention_params;
import io.mla4j.ffi.abi.mla_cache_params;
import io.mla4j.ffi.abi.mla_get_kernels_fn;
import io.mla4j.ffi.abi.mla_head_linear_params;
import io.mla4j.ffi.abi.mla_kernels;
import io.mla4j.ffi.abi.mla_linear_params;
import io.mla4j.ffi.abi.mla_merge_params;
import io.mla4j.ffi.abi.mla_rope_params;
import io.mla4j.ffi.abi.mla_route_params;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Sizes, offsets and signatures of the generated bindings as the text that a library tells of
 * itself ({@code MLA_DESCRIBE_LAYOUT}), so that a library of another version is refused instead of
 * called wrongly.
 */
final class NativeLayout {
  private static final List<GroupLayout> STRUCTS =
      List.of(
          mla_linear_params.layout(),
          mla_head_linear_params.layout(),
          mla_cache_params.layout(),
          mla_attention_params.layout(),
          mla_merge_params.layout(),
          mla_append_params.layout(),
          mla_rope_params.layout(),
          mla_route_params.layout(),
          mla_kernels.layout());

  private NativeLayout() {}

  /** The text of the bindings. */
  static String text() {
    StringBuilder text = new StringBuilder();
    for (GroupLayout struct : STRUCTS) {
      String name = struct.name().orElseThrow();
      text.append("struct ").append(name).append(' ').append(struct.byteSize()).append('\n');
      for (MemoryLayout field : struct.memberLayouts()) {
        String fieldName = field.name().orElseThrow();
        text.append(name)
            .append('.')
            .append(fieldName)
            .append(' ')
            .append(struct.byteOffset(PathElement.groupElement(fieldName)))
            .append(' ')
            .append(type(field))
            .append('\n');
      }
    }
    functions()
        .forEach(
            (name, descriptor) ->
                text.append("function ")
                    .append(name)
                    .append(' ')
                    .append(signature(descriptor))
                    .append('\n'));
    return text.toString();
  }

  /** The functions of the table in its order, then the entry point. */
  static Map<String, FunctionDescriptor> functions() {
    Map<String, FunctionDescriptor> functions = new LinkedHashMap<>();
    functions.put("describe", mla_kernels.describe.descriptor());
    functions.put("packed_bytes", mla_kernels.packed_bytes.descriptor());
    functions.put("pack", mla_kernels.pack.descriptor());
    functions.put("linear", mla_kernels.linear.descriptor());
    functions.put("head_linear", mla_kernels.head_linear.descriptor());
    functions.put("attention_workspace", mla_kernels.attention_workspace.descriptor());
    functions.put("attend_absorbed", mla_kernels.attend_absorbed.descriptor());
    functions.put("attend_decompressed", mla_kernels.attend_decompressed.descriptor());
    functions.put("merge", mla_kernels.merge.descriptor());
    functions.put("append", mla_kernels.append.descriptor());
    functions.put("rope", mla_kernels.rope.descriptor());
    functions.put("rms_norm", mla_kernels.rms_norm.descriptor());
    functions.put("swiglu", mla_kernels.swiglu.descriptor());
    functions.put("add", mla_kernels.add.descriptor());
    functions.put("embed", mla_kernels.embed.descriptor());
    functions.put("route", mla_kernels.route.descriptor());
    functions.put("combine", mla_kernels.combine.descriptor());
    functions.put("probe", mla_kernels.probe.descriptor());
    functions.put("mla_get_kernels", mla_get_kernels_fn.descriptor());
    return functions;
  }

  /**
   * Compares what a library tells with the bindings.
   *
   * @throws BackendException naming the first line that differs
   */
  static void require(String library, String told) {
    String[] expected = text().split("\n", -1);
    String[] actual = told.split("\n", -1);
    for (int i = 0; i < Math.max(expected.length, actual.length); i++) {
      String e = line(expected, i);
      String a = line(actual, i);
      if (!e.equals(a)) {
        throw new BackendException(
            "library "
                + library
                + " does not fit this version of mla4j: line "
                + (i + 1)
                + " of its layout is \""
                + a
                + "\", but must be \""
                + e
                + "\"");
      }
    }
  }

  private static String line(String[] lines, int i) {
    return i < lines.length ? lines[i] : "";
  }

  private static String signature(FunctionDescriptor descriptor) {
    return type(descriptor.returnLayout().orElseThrow())
        + descriptor.argumentLayouts().stream()
            .map(NativeLayout::type)
            .collect(Collectors.joining(",", "(", ")"));
  }

  private static String type(MemoryLayout layout) {
    return switch (layout) {
      case AddressLayout _ -> "ptr";
      case ValueLayout.OfInt _ -> "i32";
      case ValueLayout.OfLong _ -> "i64";
      case ValueLayout.OfFloat _ -> "f32";
      default -> throw new AssertionError("no name for " + layout);
    };
  }
}
