package io.mla4j.ffi;

import io.mla4j.ffi.abi.mla_append_params;
import io.mla4j.ffi.abi.mla_attention_params;
import io.mla4j.ffi.abi.mla_cache_params;
import io.mla4j.ffi.abi.mla_device_info;
import io.mla4j.ffi.abi.mla_device_kernels;
import io.mla4j.ffi.abi.mla_get_device_kernels_fn;
import io.mla4j.ffi.abi.mla_get_kernels_fn;
import io.mla4j.ffi.abi.mla_head_linear_params;
import io.mla4j.ffi.abi.mla_kernels;
import io.mla4j.ffi.abi.mla_linear_params;
import io.mla4j.ffi.abi.mla_merge_params;
import io.mla4j.ffi.abi.mla_rebuild_params;
import io.mla4j.ffi.abi.mla_rope_params;
import io.mla4j.ffi.abi.mla_route_params;
import io.mla4j.ffi.abi.mla_step_params;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** Sizes, offsets and signatures of the generated bindings in the form of {@link NativeLayout}. */
final class BindingsLayout {
  private final List<GroupLayout> structs;
  private final Map<String, FunctionDescriptor> functions;

  private BindingsLayout(List<GroupLayout> structs, Map<String, FunctionDescriptor> functions) {
    this.structs = structs;
    this.functions = functions;
  }

  private static List<GroupLayout> params() {
    return List.of(
        mla_linear_params.layout(),
        mla_head_linear_params.layout(),
        mla_cache_params.layout(),
        mla_attention_params.layout(),
        mla_merge_params.layout(),
        mla_append_params.layout(),
        mla_rope_params.layout(),
        mla_route_params.layout());
  }

  /** Of {@code mla_kernels}. */
  static BindingsLayout cpu() {
    List<GroupLayout> structs = new ArrayList<>(params());
    structs.add(mla_kernels.layout());
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
    return new BindingsLayout(structs, functions);
  }

  /** Of {@code mla_device_kernels}. */
  static BindingsLayout device() {
    List<GroupLayout> structs = new ArrayList<>(params());
    structs.add(mla_device_info.layout());
    structs.add(mla_step_params.layout());
    structs.add(mla_rebuild_params.layout());
    structs.add(mla_device_kernels.layout());
    Map<String, FunctionDescriptor> functions = new LinkedHashMap<>();
    functions.put("describe", mla_device_kernels.describe.descriptor());
    functions.put("count", mla_device_kernels.count.descriptor());
    functions.put("info", mla_device_kernels.info.descriptor());
    functions.put("allocate", mla_device_kernels.allocate.descriptor());
    functions.put("release", mla_device_kernels.release.descriptor());
    functions.put("allocate_host", mla_device_kernels.allocate_host.descriptor());
    functions.put("release_host", mla_device_kernels.release_host.descriptor());
    functions.put("create_stream", mla_device_kernels.create_stream.descriptor());
    functions.put("destroy_stream", mla_device_kernels.destroy_stream.descriptor());
    functions.put("synchronize", mla_device_kernels.synchronize.descriptor());
    functions.put("create_event", mla_device_kernels.create_event.descriptor());
    functions.put("destroy_event", mla_device_kernels.destroy_event.descriptor());
    functions.put("record_event", mla_device_kernels.record_event.descriptor());
    functions.put("await_event", mla_device_kernels.await_event.descriptor());
    functions.put("synchronize_event", mla_device_kernels.synchronize_event.descriptor());
    functions.put("copy", mla_device_kernels.copy.descriptor());
    functions.put("fill", mla_device_kernels.fill.descriptor());
    functions.put("begin_capture", mla_device_kernels.begin_capture.descriptor());
    functions.put("end_capture", mla_device_kernels.end_capture.descriptor());
    functions.put("launch_graph", mla_device_kernels.launch_graph.descriptor());
    functions.put("destroy_graph", mla_device_kernels.destroy_graph.descriptor());
    functions.put("convert", mla_device_kernels.convert.descriptor());
    functions.put("embed", mla_device_kernels.embed.descriptor());
    functions.put("rms_norm", mla_device_kernels.rms_norm.descriptor());
    functions.put("swiglu", mla_device_kernels.swiglu.descriptor());
    functions.put("add", mla_device_kernels.add.descriptor());
    functions.put("rope", mla_device_kernels.rope.descriptor());
    functions.put("append", mla_device_kernels.append.descriptor());
    functions.put("plan_bytes", mla_device_kernels.plan_bytes.descriptor());
    functions.put("splits", mla_device_kernels.splits.descriptor());
    functions.put("make_plan", mla_device_kernels.make_plan.descriptor());
    functions.put("attention_workspace", mla_device_kernels.attention_workspace.descriptor());
    functions.put("attend_absorbed", mla_device_kernels.attend_absorbed.descriptor());
    functions.put("decompressed_workspace", mla_device_kernels.decompressed_workspace.descriptor());
    functions.put("attend_decompressed", mla_device_kernels.attend_decompressed.descriptor());
    functions.put("merge", mla_device_kernels.merge.descriptor());
    functions.put("linear", mla_device_kernels.linear.descriptor());
    functions.put("head_linear", mla_device_kernels.head_linear.descriptor());
    functions.put("route", mla_device_kernels.route.descriptor());
    functions.put("group_bytes", mla_device_kernels.group_bytes.descriptor());
    functions.put("group", mla_device_kernels.group.descriptor());
    functions.put("grouped_linear", mla_device_kernels.grouped_linear.descriptor());
    functions.put("combine", mla_device_kernels.combine.descriptor());
    functions.put("argmax", mla_device_kernels.argmax.descriptor());
    functions.put("sample", mla_device_kernels.sample.descriptor());
    functions.put("mla_get_device_kernels", mla_get_device_kernels_fn.descriptor());
    return new BindingsLayout(structs, functions);
  }

  /** The functions of the table in its order, then the entry point. */
  Map<String, FunctionDescriptor> functions() {
    return functions;
  }

  /** The text of the bindings. */
  String text() {
    StringBuilder text = new StringBuilder();
    for (GroupLayout struct : structs) {
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
    functions.forEach(
        (name, descriptor) ->
            text.append("function ")
                .append(name)
                .append(' ')
                .append(signature(descriptor))
                .append('\n'));
    return text.toString();
  }

  private static String signature(FunctionDescriptor descriptor) {
    return type(descriptor.returnLayout().orElseThrow())
        + descriptor.argumentLayouts().stream()
            .map(BindingsLayout::type)
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
