package io.mla4j.ops;

import io.mla4j.Device;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Numbers that Java writes or reads and a device computes with: one memory where Java may touch the
 * device's, else one on each side and copies between them. A view of memory of an arena, as {@link
 * Tensor}; belongs to one thread at a time.
 *
 * @param host what Java writes and reads
 * @param onDevice what the operations take
 */
public record Mirror(Device device, Tensor host, Tensor onDevice) {
  /**
   * Zeroed memory that is freed when {@code arena} closes.
   *
   * @throws io.mla4j.Mla4jException where there is not enough memory, naming the bytes
   */
  public static Mirror allocate(Device device, Arena arena, StorageFormat format, long... shape) {
    long bytes = Tensor.bytes(format, shape);
    Tensor onDevice = Tensor.of(device.allocate(bytes, arena), format, shape);
    Tensor host =
        device.hostAccessible() ? onDevice : Tensor.of(arena.allocate(bytes, 64), format, shape);
    return new Mirror(device, host, onDevice);
  }

  /** The first {@code count} entries along dimension 0. */
  public Mirror first(long count) {
    Tensor part = onDevice.first(count);
    return new Mirror(device, host == onDevice ? part : host.first(count), part);
  }

  /** The same numbers under another shape; see {@link Tensor#reshape}. */
  public Mirror reshape(long... shape) {
    Tensor shaped = onDevice.reshape(shape);
    return new Mirror(device, host == onDevice ? shaped : host.reshape(shape), shaped);
  }

  /** The operations that follow see what Java wrote. */
  public void toDevice() {
    copy(host, onDevice);
  }

  /** Java sees what the operations before wrote. */
  public void toHost() {
    copy(onDevice, host);
  }

  private void copy(Tensor from, Tensor to) {
    if (from != to) {
      MemorySegment source = from.segment();
      device.copy(source, 0, to.segment(), 0, contiguousBytes(from));
    }
  }

  private static long contiguousBytes(Tensor tensor) {
    return tensor.dim(0) == 0 ? 0 : tensor.format().bytes(tensor.dim(0) * tensor.stride(0));
  }
}
