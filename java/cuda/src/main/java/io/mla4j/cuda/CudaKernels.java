package io.mla4j.cuda;

import io.mla4j.BackendException;
import io.mla4j.DeviceException;
import io.mla4j.DeviceLostException;
import io.mla4j.DeviceMemoryException;
import io.mla4j.InvalidArgumentException;
import io.mla4j.Mla4jException;
import io.mla4j.cuda.CudaScratch.RebuildParams;
import io.mla4j.cuda.CudaScratch.StepParams;
import io.mla4j.ffi.CallScratch;
import io.mla4j.ffi.abi.Mla;
import io.mla4j.ffi.abi.mla_device_info;
import io.mla4j.ffi.abi.mla_device_kernels;
import io.mla4j.ops.StorageFormat;
import io.mla4j.spi.AppendParams;
import io.mla4j.spi.CacheParams;
import io.mla4j.spi.HeadLinearParams;
import io.mla4j.spi.LinearParams;
import io.mla4j.spi.MergeParams;
import io.mla4j.spi.RopeParams;
import io.mla4j.spi.RouteParams;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The functions of {@code mla_device_kernels}, one downcall for each. Pointers are the device's
 * memory as {@link CudaMemory#resolve} gives it: the runtime keeps its arena open until the call
 * returns, and freeing it later waits for the device. Statuses become exceptions.
 *
 * <p>Thread-safe, as CUDA is.
 */
final class CudaKernels {
  private static final int NAME_BYTES = 256;

  private final MemorySegment table;

  /** {@code table}: a {@code mla_device_kernels} that outlives this object. */
  CudaKernels(MemorySegment table) {
    this.table = table;
  }

  /**
   * What a device is.
   *
   * @param major of its compute capability
   * @param sharedBytes shared memory that a block can have
   * @param driver CUDA version that the driver supports: 1000 major + 10 minor
   * @param totalMemory bytes
   */
  record Info(
      String name,
      int major,
      int minor,
      int multiprocessors,
      int sharedBytes,
      int driver,
      long totalMemory,
      long freeMemory) {}

  private static void check(int status) {
    if (status == Mla.MLA_OK()) {
      return;
    }
    String text = CallScratch.ofThread().error.getString(0);
    throw failure(status, text);
  }

  private static Mla4jException failure(int status, String text) {
    if (status == Mla.MLA_INVALID_ARGUMENT()) {
      return new InvalidArgumentException(text);
    }
    if (status == Mla.MLA_OUT_OF_MEMORY()) {
      return new DeviceMemoryException(text);
    }
    if (status == Mla.MLA_DEVICE_LOST()) {
      return new DeviceLostException("the device is lost: " + text);
    }
    if (status == Mla.MLA_DEVICE_ERROR()) {
      return new DeviceException(text);
    }
    return new BackendException("backend cuda: " + text);
  }

  private static MemorySegment error() {
    return CallScratch.ofThread().error;
  }

  private static int errorBytes() {
    return CallScratch.ofThread().errorBytes();
  }

  private static int read(MemorySegment result) {
    return result.get(ValueLayout.JAVA_INT, 0);
  }

  private static MemorySegment pointer(MemorySegment result) {
    return result.get(ValueLayout.ADDRESS, 0);
  }

  int count() {
    MemorySegment result = CudaScratch.ofThread().result;
    check(
        mla_device_kernels.count.invoke(
            mla_device_kernels.count(table), result, error(), errorBytes()));
    return read(result);
  }

  Info info(int device) {
    MemorySegment info = CudaScratch.ofThread().info;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment name = arena.allocate(NAME_BYTES);
      check(
          mla_device_kernels.info.invoke(
              mla_device_kernels.info(table),
              device,
              info,
              name,
              NAME_BYTES,
              error(),
              errorBytes()));
      return new Info(
          name.getString(0),
          mla_device_info.major(info),
          mla_device_info.minor(info),
          mla_device_info.multiprocessors(info),
          mla_device_info.shared_bytes(info),
          mla_device_info.driver(info),
          mla_device_info.total_memory(info),
          mla_device_info.free_memory(info));
    }
  }

  MemorySegment allocate(int device, long bytes) {
    MemorySegment result = CudaScratch.ofThread().result;
    check(
        mla_device_kernels.allocate.invoke(
            mla_device_kernels.allocate(table), device, bytes, result, error(), errorBytes()));
    return pointer(result);
  }

  void release(int device, MemorySegment memory) {
    check(
        mla_device_kernels.release.invoke(
            mla_device_kernels.release(table), device, memory, error(), errorBytes()));
  }

  MemorySegment allocateHost(int device, long bytes) {
    MemorySegment result = CudaScratch.ofThread().result;
    check(
        mla_device_kernels.allocate_host.invoke(
            mla_device_kernels.allocate_host(table), device, bytes, result, error(), errorBytes()));
    return pointer(result);
  }

  void releaseHost(int device, MemorySegment memory) {
    check(
        mla_device_kernels.release_host.invoke(
            mla_device_kernels.release_host(table), device, memory, error(), errorBytes()));
  }

  MemorySegment createStream(int device) {
    MemorySegment result = CudaScratch.ofThread().result;
    check(
        mla_device_kernels.create_stream.invoke(
            mla_device_kernels.create_stream(table), device, result, error(), errorBytes()));
    return pointer(result);
  }

  void destroyStream(MemorySegment stream) {
    check(
        mla_device_kernels.destroy_stream.invoke(
            mla_device_kernels.destroy_stream(table), stream, error(), errorBytes()));
  }

  void synchronize(MemorySegment stream) {
    check(
        mla_device_kernels.synchronize.invoke(
            mla_device_kernels.synchronize(table), stream, error(), errorBytes()));
  }

  MemorySegment createEvent(int device) {
    MemorySegment result = CudaScratch.ofThread().result;
    check(
        mla_device_kernels.create_event.invoke(
            mla_device_kernels.create_event(table), device, result, error(), errorBytes()));
    return pointer(result);
  }

  void destroyEvent(int device, MemorySegment event) {
    check(
        mla_device_kernels.destroy_event.invoke(
            mla_device_kernels.destroy_event(table), device, event, error(), errorBytes()));
  }

  void recordEvent(MemorySegment stream, MemorySegment event) {
    check(
        mla_device_kernels.record_event.invoke(
            mla_device_kernels.record_event(table), stream, event, error(), errorBytes()));
  }

  void synchronizeEvent(int device, MemorySegment event) {
    check(
        mla_device_kernels.synchronize_event.invoke(
            mla_device_kernels.synchronize_event(table), device, event, error(), errorBytes()));
  }

  void copy(MemorySegment stream, MemorySegment to, MemorySegment from, long bytes) {
    check(
        mla_device_kernels.copy.invoke(
            mla_device_kernels.copy(table), stream, to, from, bytes, error(), errorBytes()));
  }

  void fill(MemorySegment stream, MemorySegment memory, int value, long bytes) {
    check(
        mla_device_kernels.fill.invoke(
            mla_device_kernels.fill(table), stream, memory, value, bytes, error(), errorBytes()));
  }

  void beginCapture(MemorySegment stream) {
    check(
        mla_device_kernels.begin_capture.invoke(
            mla_device_kernels.begin_capture(table), stream, error(), errorBytes()));
  }

  MemorySegment endCapture(MemorySegment stream) {
    MemorySegment result = CudaScratch.ofThread().result;
    check(
        mla_device_kernels.end_capture.invoke(
            mla_device_kernels.end_capture(table), stream, result, error(), errorBytes()));
    return pointer(result);
  }

  void launchGraph(MemorySegment stream, MemorySegment graph) {
    check(
        mla_device_kernels.launch_graph.invoke(
            mla_device_kernels.launch_graph(table), stream, graph, error(), errorBytes()));
  }

  void destroyGraph(int device, MemorySegment graph) {
    check(
        mla_device_kernels.destroy_graph.invoke(
            mla_device_kernels.destroy_graph(table), device, graph, error(), errorBytes()));
  }

  void convert(
      MemorySegment stream, StorageFormat from, MemorySegment source, long count, MemorySegment to) {
    check(
        mla_device_kernels.convert.invoke(
            mla_device_kernels.convert(table),
            stream,
            CallScratch.code(from),
            source,
            count,
            to,
            error(),
            errorBytes()));
  }

  void embed(
      MemorySegment stream,
      StorageFormat type,
      MemorySegment weights,
      long weightStride,
      int vocabulary,
      MemorySegment ids,
      int count,
      int width,
      float scale,
      MemorySegment y,
      long yStride) {
    check(
        mla_device_kernels.embed.invoke(
            mla_device_kernels.embed(table),
            stream,
            CallScratch.code(type),
            weights,
            weightStride,
            vocabulary,
            ids,
            count,
            width,
            scale,
            y,
            yStride,
            error(),
            errorBytes()));
  }

  void rmsNorm(
      MemorySegment stream,
      MemorySegment x,
      long xStride,
      MemorySegment weight,
      float eps,
      int rows,
      int width,
      MemorySegment y,
      long yStride) {
    check(
        mla_device_kernels.rms_norm.invoke(
            mla_device_kernels.rms_norm(table),
            stream,
            x,
            xStride,
            weight,
            eps,
            rows,
            width,
            y,
            yStride,
            error(),
            errorBytes()));
  }

  void swiglu(
      MemorySegment stream,
      MemorySegment gate,
      long gateStride,
      MemorySegment up,
      long upStride,
      int rows,
      int width,
      MemorySegment y,
      long yStride) {
    check(
        mla_device_kernels.swiglu.invoke(
            mla_device_kernels.swiglu(table),
            stream,
            gate,
            gateStride,
            up,
            upStride,
            rows,
            width,
            y,
            yStride,
            error(),
            errorBytes()));
  }

  void add(
      MemorySegment stream,
      MemorySegment x,
      long xStride,
      MemorySegment r,
      long rStride,
      float scale,
      int rows,
      int width,
      MemorySegment y,
      long yStride) {
    check(
        mla_device_kernels.add.invoke(
            mla_device_kernels.add(table),
            stream,
            x,
            xStride,
            r,
            rStride,
            scale,
            rows,
            width,
            y,
            yStride,
            error(),
            errorBytes()));
  }

  void rope(
      MemorySegment stream,
      RopeParams params,
      MemorySegment x,
      MemorySegment cosines,
      MemorySegment sines,
      MemorySegment y) {
    check(
        mla_device_kernels.rope.invoke(
            mla_device_kernels.rope(table),
            stream,
            CallScratch.ofThread().fill(params),
            x,
            cosines,
            sines,
            y,
            error(),
            errorBytes()));
  }

  void append(
      MemorySegment stream,
      AppendParams params,
      CacheParams cacheParams,
      MemorySegment a,
      MemorySegment normWeight,
      MemorySegment cosines,
      MemorySegment sines,
      MemorySegment slots,
      MemorySegment cache) {
    CallScratch scratch = CallScratch.ofThread();
    check(
        mla_device_kernels.append.invoke(
            mla_device_kernels.append(table),
            stream,
            scratch.fill(params),
            scratch.fill(cacheParams),
            a,
            normWeight,
            cosines,
            sines,
            slots,
            cache,
            error(),
            errorBytes()));
  }

  long planBytes(StepParams params) {
    return mla_device_kernels.plan_bytes.invoke(
        mla_device_kernels.plan_bytes(table), CudaScratch.ofThread().fill(params));
  }

  int splits(StepParams params, int queries, int kvTokens) {
    return mla_device_kernels.splits.invoke(
        mla_device_kernels.splits(table), CudaScratch.ofThread().fill(params), queries, kvTokens);
  }

  /** queryBegin (sequences + 1), kvTokens (sequences), plan: all memory of the host. */
  void makePlan(
      StepParams params,
      int sequences,
      MemorySegment queryBegin,
      MemorySegment kvTokens,
      MemorySegment plan) {
    check(
        mla_device_kernels.make_plan.invoke(
            mla_device_kernels.make_plan(table),
            CudaScratch.ofThread().fill(params),
            sequences,
            queryBegin,
            kvTokens,
            plan,
            plan.byteSize(),
            error(),
            errorBytes()));
  }

  long attentionWorkspace(StepParams params, CacheParams cacheParams) {
    return mla_device_kernels.attention_workspace.invoke(
        mla_device_kernels.attention_workspace(table),
        CudaScratch.ofThread().fill(params),
        CallScratch.ofThread().fill(cacheParams));
  }

  void attendAbsorbed(
      MemorySegment stream,
      StepParams params,
      CacheParams cacheParams,
      MemorySegment plan,
      MemorySegment q,
      MemorySegment cache,
      MemorySegment pageTable,
      MemorySegment alibiSlopes,
      MemorySegment out,
      MemorySegment lse,
      MemorySegment workspace) {
    check(
        mla_device_kernels.attend_absorbed.invoke(
            mla_device_kernels.attend_absorbed(table),
            stream,
            CudaScratch.ofThread().fill(params),
            CallScratch.ofThread().fill(cacheParams),
            plan,
            q,
            cache,
            pageTable,
            alibiSlopes,
            out,
            lse,
            workspace,
            workspace.byteSize(),
            error(),
            errorBytes()));
  }

  long decompressedWorkspace(StepParams params, RebuildParams rebuild, CacheParams cacheParams) {
    CudaScratch scratch = CudaScratch.ofThread();
    return mla_device_kernels.decompressed_workspace.invoke(
        mla_device_kernels.decompressed_workspace(table),
        scratch.fill(params),
        scratch.fill(rebuild),
        CallScratch.ofThread().fill(cacheParams));
  }

  void attendDecompressed(
      MemorySegment stream,
      StepParams params,
      RebuildParams rebuild,
      CacheParams cacheParams,
      MemorySegment plan,
      int maxKvTokens,
      MemorySegment q,
      MemorySegment kvB,
      MemorySegment cache,
      MemorySegment pageTable,
      MemorySegment alibiSlopes,
      MemorySegment out,
      MemorySegment lse,
      MemorySegment workspace) {
    CudaScratch scratch = CudaScratch.ofThread();
    check(
        mla_device_kernels.attend_decompressed.invoke(
            mla_device_kernels.attend_decompressed(table),
            stream,
            scratch.fill(params),
            scratch.fill(rebuild),
            CallScratch.ofThread().fill(cacheParams),
            plan,
            maxKvTokens,
            q,
            kvB,
            cache,
            pageTable,
            alibiSlopes,
            out,
            lse,
            workspace,
            workspace.byteSize(),
            error(),
            errorBytes()));
  }

  void merge(
      MemorySegment stream,
      MergeParams params,
      MemorySegment partialOut,
      MemorySegment partialLse,
      MemorySegment out,
      MemorySegment lse) {
    check(
        mla_device_kernels.merge.invoke(
            mla_device_kernels.merge(table),
            stream,
            CallScratch.ofThread().fill(params),
            partialOut,
            partialLse,
            out,
            lse,
            error(),
            errorBytes()));
  }

  void linear(
      MemorySegment stream,
      LinearParams params,
      MemorySegment x,
      MemorySegment weight,
      MemorySegment bias,
      MemorySegment y) {
    check(
        mla_device_kernels.linear.invoke(
            mla_device_kernels.linear(table),
            stream,
            CallScratch.ofThread().fill(params),
            x,
            weight,
            bias,
            y,
            error(),
            errorBytes()));
  }

  void headLinear(
      MemorySegment stream,
      HeadLinearParams params,
      MemorySegment x,
      MemorySegment weight,
      MemorySegment y) {
    check(
        mla_device_kernels.head_linear.invoke(
            mla_device_kernels.head_linear(table),
            stream,
            CallScratch.ofThread().fill(params),
            x,
            weight,
            y,
            error(),
            errorBytes()));
  }

  void route(
      MemorySegment stream,
      RouteParams params,
      MemorySegment logits,
      MemorySegment bias,
      MemorySegment experts,
      MemorySegment weights) {
    check(
        mla_device_kernels.route.invoke(
            mla_device_kernels.route(table),
            stream,
            CallScratch.ofThread().fill(params),
            logits,
            bias,
            experts,
            weights,
            error(),
            errorBytes()));
  }

  long groupBytes(int slots, int experts, LinearParams params) {
    return mla_device_kernels.group_bytes.invoke(
        mla_device_kernels.group_bytes(table),
        slots,
        experts,
        CallScratch.code(params.weightType()),
        CallScratch.code(params.compute()));
  }

  void group(
      MemorySegment stream,
      MemorySegment chosen,
      int tokens,
      int topK,
      int experts,
      LinearParams params,
      MemorySegment tokenOf,
      MemorySegment slotOf,
      MemorySegment groups) {
    check(
        mla_device_kernels.group.invoke(
            mla_device_kernels.group(table),
            stream,
            chosen,
            tokens,
            topK,
            experts,
            CallScratch.code(params.weightType()),
            CallScratch.code(params.compute()),
            tokenOf,
            slotOf,
            groups,
            groups.byteSize(),
            error(),
            errorBytes()));
  }

  void groupedLinear(
      MemorySegment stream,
      LinearParams params,
      int experts,
      long expertStride,
      MemorySegment x,
      MemorySegment indices,
      MemorySegment groups,
      MemorySegment weight,
      MemorySegment y) {
    check(
        mla_device_kernels.grouped_linear.invoke(
            mla_device_kernels.grouped_linear(table),
            stream,
            CallScratch.ofThread().fill(params),
            experts,
            expertStride,
            x,
            indices,
            groups,
            weight,
            y,
            error(),
            errorBytes()));
  }

  void combine(
      MemorySegment stream,
      MemorySegment expertOut,
      long expertOutStride,
      int slotCount,
      MemorySegment slots,
      MemorySegment weights,
      MemorySegment shared,
      long sharedStride,
      int tokens,
      int topK,
      int width,
      MemorySegment y,
      long yStride) {
    check(
        mla_device_kernels.combine.invoke(
            mla_device_kernels.combine(table),
            stream,
            expertOut,
            expertOutStride,
            slotCount,
            slots,
            weights,
            shared,
            sharedStride,
            tokens,
            topK,
            width,
            y,
            yStride,
            error(),
            errorBytes()));
  }

  void argmax(
      MemorySegment stream,
      MemorySegment logits,
      long stride,
      int rows,
      int width,
      MemorySegment ids) {
    check(
        mla_device_kernels.argmax.invoke(
            mla_device_kernels.argmax(table),
            stream,
            logits,
            stride,
            rows,
            width,
            ids,
            error(),
            errorBytes()));
  }

  void sample(
      MemorySegment stream,
      MemorySegment logits,
      long stride,
      int rows,
      int width,
      float temperature,
      int topK,
      float topP,
      MemorySegment uniform,
      MemorySegment ids) {
    check(
        mla_device_kernels.sample.invoke(
            mla_device_kernels.sample(table),
            stream,
            logits,
            stride,
            rows,
            width,
            temperature,
            topK,
            topP,
            uniform,
            ids,
            error(),
            errorBytes()));
  }
}
