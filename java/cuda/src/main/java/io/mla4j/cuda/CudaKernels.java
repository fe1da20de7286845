package io.mla4j.cuda;

import static io.mla4j.ffi.NativeParams.code;

import io.mla4j.BackendException;
import io.mla4j.ComputeType;
import io.mla4j.device.DeviceKernels;
import io.mla4j.device.KernelOperation.AttendDecompressed;
import io.mla4j.device.KernelOperation.Convert;
import io.mla4j.device.KernelOperation.Group;
import io.mla4j.device.KernelOperation.GroupedMatMul;
import io.mla4j.device.KernelOperation.Groups;
import io.mla4j.device.KernelOperation.HeadMatMul;
import io.mla4j.device.KernelOperation.MatMul;
import io.mla4j.device.Launch;
import io.mla4j.device.PlainWeights;
import io.mla4j.device.StepLaunch;
import io.mla4j.ffi.abi.mla_device_kernels;
import io.mla4j.ops.Add;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.Argmax;
import io.mla4j.ops.AttendAbsorbed;
import io.mla4j.ops.Combine;
import io.mla4j.ops.Embed;
import io.mla4j.ops.Merge;
import io.mla4j.ops.Operation;
import io.mla4j.ops.RmsNorm;
import io.mla4j.ops.Rotate;
import io.mla4j.ops.Route;
import io.mla4j.ops.Sample;
import io.mla4j.ops.StepOperation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.SwiGlu;
import io.mla4j.ops.Tensor;
import java.lang.foreign.MemorySegment;

/** The functions of {@code mla_device_kernels} that launch. */
final class CudaKernels implements DeviceKernels {
  private final CudaCalls calls;
  private final MemorySegment table;
  private final CudaAttention attention;

  CudaKernels(CudaCalls calls, CudaDriver.Info info) {
    this.calls = calls;
    this.table = calls.table();
    this.attention = new CudaAttention(calls, info);
  }

  @Override
  public boolean chooseTokens() {
    return true;
  }

  @Override
  public StorageFormat kept(StorageFormat stored, ComputeType compute) {
    if (compute == ComputeType.INT8) {
      throw new BackendException(
          "backend " + CudaBackend.NAME + " has no compute type int8; it has f32 and bf16");
    }
    return stored == StorageFormat.BF16 || compute == ComputeType.BF16
        ? StorageFormat.BF16
        : StorageFormat.F32;
  }

  @Override
  public boolean converts(StorageFormat from, StorageFormat to) {
    return to == StorageFormat.BF16 && (from == StorageFormat.F32 || from == StorageFormat.F16);
  }

  @Override
  public Launch bind(Operation operation) {
    return switch (operation) {
      case Embed o -> embed(o);
      case RmsNorm o -> rmsNorm(o);
      case Add o -> add(o);
      case SwiGlu o -> swiGlu(o);
      case Rotate o -> rotate(o);
      case Merge o -> merge(o);
      case Convert o -> convert(o);
      case MatMul o -> matMul(o);
      case HeadMatMul o -> headMatMul(o);
      case Route o -> route(o);
      case Group o -> group(o);
      case GroupedMatMul o -> groupedMatMul(o);
      case Combine o -> combine(o);
      case Argmax o -> argmax(o);
      case Sample o -> sample(o);
      default -> throw lacks(operation);
    };
  }

  @Override
  public StepLaunch bind(StepOperation operation) {
    return switch (operation) {
      case AppendLatent o -> attention.append(o);
      case AttendAbsorbed o -> attention.attendAbsorbed(o);
      case AttendDecompressed o -> attention.attendDecompressed(o);
      default -> throw lacks(operation);
    };
  }

  private static BackendException lacks(Operation operation) {
    return new BackendException(
        "backend " + CudaBackend.NAME + " has no operation " + operation.name());
  }

  @Override
  public int splits(RunShape shape, int queries, int kvTokens) {
    return attention.splits(shape, queries, kvTokens);
  }

  @Override
  public long planBytes(RunShape shape) {
    return attention.planBytes(shape);
  }

  @Override
  public void writePlan(
      RunShape shape, MemorySegment queryBegin, MemorySegment kvTokens, MemorySegment plan) {
    attention.writePlan(shape, queryBegin, kvTokens, plan);
  }

  @Override
  public long groupBytes(int rows, int experts, StorageFormat weightFormat, ComputeType compute) {
    return mla_device_kernels.group_bytes.invoke(
        mla_device_kernels.group_bytes(table), rows, experts, code(weightFormat), code(compute));
  }

  private static int rows(Tensor x) {
    return (int) x.dim(0);
  }

  private static int width(Tensor x) {
    return (int) x.dim(1);
  }

  private Launch convert(Convert o) {
    return calls.bind(
        mla_device_kernels.convert(table),
        mla_device_kernels.convert.descriptor(),
        code(o.from().format()),
        calls.of("from", o.from()),
        o.from().dim(0),
        calls.of("to", o.to()));
  }

  private Launch embed(Embed o) {
    Tensor rows = PlainWeights.tensor("table", o.table());
    return calls.bind(
        mla_device_kernels.embed(table),
        mla_device_kernels.embed.descriptor(),
        code(rows.format()),
        calls.of("table", rows),
        rows.stride(0),
        o.vocabulary(),
        calls.of("ids", o.ids()),
        rows(o.out()),
        width(o.out()),
        o.scale(),
        calls.of("out", o.out()),
        o.out().stride(0));
  }

  private Launch rmsNorm(RmsNorm o) {
    return calls.bind(
        mla_device_kernels.rms_norm(table),
        mla_device_kernels.rms_norm.descriptor(),
        calls.of("x", o.x()),
        o.x().stride(0),
        calls.of("weight", o.weight()),
        o.eps(),
        rows(o.x()),
        width(o.x()),
        calls.of("out", o.out()),
        o.out().stride(0));
  }

  private Launch swiGlu(SwiGlu o) {
    if (o.limit() != Float.POSITIVE_INFINITY) {
      throw new BackendException("backend " + CudaBackend.NAME + " has no swiglu with a limit");
    }
    return calls.bind(
        mla_device_kernels.swiglu(table),
        mla_device_kernels.swiglu.descriptor(),
        calls.of("gate", o.gate()),
        o.gate().stride(0),
        calls.of("up", o.up()),
        o.up().stride(0),
        rows(o.out()),
        width(o.out()),
        calls.of("out", o.out()),
        o.out().stride(0));
  }

  private Launch add(Add o) {
    return calls.bind(
        mla_device_kernels.add(table),
        mla_device_kernels.add.descriptor(),
        calls.of("x", o.x()),
        o.x().stride(0),
        calls.of("residual", o.residual()),
        o.residual().stride(0),
        o.scale(),
        rows(o.x()),
        width(o.x()),
        calls.of("out", o.out()),
        o.out().stride(0));
  }

  private Launch rotate(Rotate o) {
    boolean turns = o.rotation().cosines().dim(1) > 0;
    return calls.bind(
        mla_device_kernels.rope(table),
        mla_device_kernels.rope.descriptor(),
        CudaStructs.rope(o),
        calls.of("q", o.q()),
        calls.of("rotation.cosines", turns ? o.rotation().cosines() : null),
        calls.of("rotation.sines", turns ? o.rotation().sines() : null),
        calls.of("out", o.out()));
  }

  private Launch merge(Merge o) {
    return calls.bind(
        mla_device_kernels.merge(table),
        mla_device_kernels.merge.descriptor(),
        CudaStructs.merge(o),
        calls.of("partialOut", o.partialOut()),
        calls.of("partialLse", o.partialLse()),
        calls.of("out", o.out()),
        calls.of("lse", o.lse()));
  }

  private Launch matMul(MatMul o) {
    return calls.bind(
        mla_device_kernels.linear(table),
        mla_device_kernels.linear.descriptor(),
        CudaStructs.linear(o),
        calls.of("x", o.x()),
        calls.of("weight", o.weight()),
        calls.of("bias", o.bias()),
        calls.of("out", o.out()));
  }

  private Launch headMatMul(HeadMatMul o) {
    return calls.bind(
        mla_device_kernels.head_linear(table),
        mla_device_kernels.head_linear.descriptor(),
        CudaStructs.headLinear(o),
        calls.of("x", o.x()),
        calls.of("latentUp", o.weight()),
        calls.of("out", o.out()));
  }

  private Launch route(Route o) {
    return calls.bind(
        mla_device_kernels.route(table),
        mla_device_kernels.route.descriptor(),
        CudaStructs.route(o),
        calls.of("logits", o.logits()),
        calls.of("weights.bias", o.bias()),
        calls.of("experts", o.experts()),
        calls.of("weights", o.weights()));
  }

  private Launch group(Group o) {
    Groups g = o.groups();
    return calls.bind(
        mla_device_kernels.group(table),
        mla_device_kernels.group.descriptor(),
        calls.of("chosen", o.chosen()),
        rows(o.chosen()),
        width(o.chosen()),
        g.experts(),
        code(g.weightFormat()),
        code(g.compute()),
        calls.of("tokenOf", g.tokenOf()),
        calls.of("rowOf", g.rowOf()),
        calls.memory().resolve("tiles", g.tiles()),
        g.tiles().byteSize());
  }

  private Launch groupedMatMul(GroupedMatMul o) {
    return calls.bind(
        mla_device_kernels.grouped_linear(table),
        mla_device_kernels.grouped_linear.descriptor(),
        CudaStructs.linear(o),
        o.groups().experts(),
        o.weight().stride(0),
        calls.of("x", o.x()),
        calls.of("indices", o.indices()),
        calls.memory().resolve("tiles", o.groups().tiles()),
        calls.of("weights.experts", o.weight()),
        calls.of("out", o.out()));
  }

  private Launch combine(Combine o) {
    return calls.bind(
        mla_device_kernels.combine(table),
        mla_device_kernels.combine.descriptor(),
        calls.of("expertOut", o.expertOut()),
        o.expertOut().stride(0),
        rows(o.expertOut()),
        calls.of("slots", o.slots()),
        calls.of("weights", o.weights()),
        calls.of("shared", o.shared()),
        o.shared() == null ? 0L : o.shared().stride(0),
        rows(o.out()),
        width(o.slots()),
        width(o.out()),
        calls.of("out", o.out()),
        o.out().stride(0));
  }

  private Launch argmax(Argmax o) {
    return calls.bind(
        mla_device_kernels.argmax(table),
        mla_device_kernels.argmax.descriptor(),
        calls.of("logits", o.logits()),
        o.logits().stride(0),
        rows(o.logits()),
        width(o.logits()),
        calls.of("ids", o.ids()));
  }

  private Launch sample(Sample o) {
    return calls.bind(
        mla_device_kernels.sample(table),
        mla_device_kernels.sample.descriptor(),
        calls.of("logits", o.logits()),
        o.logits().stride(0),
        rows(o.logits()),
        width(o.logits()),
        o.temperature(),
        o.topK(),
        o.topP(),
        calls.of("uniform", o.uniform()),
        calls.of("ids", o.ids()));
  }
}
