package io.mla4j.cuda;

import io.mla4j.device.KernelMemory;
import io.mla4j.device.Launch;
import io.mla4j.ffi.abi.Mla;
import io.mla4j.ops.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.HashMap;
import java.util.Map;

/**
 * Calls of kernels with all of their arguments, each put together once: running one is one
 * downcall. Pointers among them are the segments of {@link KernelMemory#resolve}, which the runtime
 * keeps open until the call returns. Used in the device's turn.
 */
final class CudaCalls {
  private final MemorySegment table;
  private final CudaStream stream;
  private final KernelMemory memory;
  private final MemorySegment error = Arena.ofAuto().allocate(CudaStatus.ERROR_BYTES);

  /** Functions that were linked, by their address. */
  private final Map<Long, MethodHandle> linked = new HashMap<>();

  CudaCalls(MemorySegment table, CudaStream stream, KernelMemory memory) {
    this.table = table;
    this.stream = stream;
    this.memory = memory;
  }

  /** The {@code mla_device_kernels}. */
  MemorySegment table() {
    return table;
  }

  KernelMemory memory() {
    return memory;
  }

  /** The numbers behind a tensor; NULL of null. */
  MemorySegment of(String name, Tensor tensor) {
    return tensor == null ? MemorySegment.NULL : memory.resolve(name, tensor.segment());
  }

  /** {@code arguments}: all but the stream and where an error goes. */
  Launch bind(MemorySegment function, FunctionDescriptor descriptor, Object... arguments) {
    MethodHandle handle =
        linked.computeIfAbsent(
            function.address(),
            _ -> {
              MethodHandle call = Linker.nativeLinker().downcallHandle(function, descriptor);
              return call.asSpreader(Object[].class, call.type().parameterCount());
            });
    Object[] all = new Object[arguments.length + 3];
    all[0] = stream.handle();
    System.arraycopy(arguments, 0, all, 1, arguments.length);
    all[all.length - 2] = error;
    all[all.length - 1] = CudaStatus.ERROR_BYTES;
    return () -> run(handle, all);
  }

  private void run(MethodHandle handle, Object[] arguments) {
    int status;
    try {
      status = (int) handle.invokeExact(arguments);
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError("downcalls throw nothing else", e);
    }
    if (status != Mla.MLA_OK()) {
      throw CudaStatus.failure(status, error.getString(0));
    }
  }
}
