package io.mla4j.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.BackendException;
import io.mla4j.InvalidArgumentException;
import io.mla4j.ffi.abi.Mla;
import io.mla4j.ffi.abi.mla_kernels;
import io.mla4j.ops.Add;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.spi.Tile;
import io.mla4j.spi.TileKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** Memory cannot go away under a kernel, and what a kernel says of its failure arrives. */
class PointerSafetyTest {
  /** Rows of {@code width}, as many as the segment has, are added to themselves. */
  private static TileKernel add(NativeKernels kernels, MemorySegment segment, int width) {
    Tensor rows = Tensor.of(segment, StorageFormat.F32, segment.byteSize() / 4 / width, width);
    TileKernel kernel = kernels.bind(new Add(rows, rows, 1, rows));
    kernel.prepare();
    return kernel;
  }

  @Test
  void closingAnArenaDuringACallThrowsAndTheCallGoesOn() {
    try (Arena tables = Arena.ofShared()) {
      Arena memory = Arena.ofShared();
      AtomicReference<Throwable> failure = new AtomicReference<>();
      FakeTable fake = new FakeTable(tables);
      mla_kernels.add(
          fake.table,
          mla_kernels.add.allocate(
              (x, xStride, r, rStride, scale, rows, width, y, yStride, error, size) -> {
                try {
                  memory.close();
                } catch (Throwable e) {
                  failure.set(e);
                }
                return Mla.MLA_OK();
              },
              tables));
      MemorySegment segment = memory.allocate(64);
      TileKernel kernel = add(fake.kernels(), segment, 4);
      kernel.run(new Tile().rows(0, 1));
      assertInstanceOf(IllegalStateException.class, failure.get());
      memory.close();
      assertThrows(IllegalStateException.class, () -> kernel.run(new Tile().rows(0, 1)));
    }
  }

  @Test
  void closingUnderFire() throws Exception {
    NativeKernels kernels = Natives.library().kernels(null);
    try (ExecutorService pool = Executors.newFixedThreadPool(2)) {
      for (int round = 0; round < 15; round++) {
        Arena memory = Arena.ofShared();
        MemorySegment segment = NativeMemory.SYSTEM.allocate(1 << 18, memory);
        TileKernel kernel = add(kernels, segment, 1 << 14);
        AtomicInteger calls = new AtomicInteger();
        Future<?> user =
            pool.submit(
                () -> {
                  Tile tile = new Tile().rows(0, 4);
                  while (true) {
                    kernel.run(tile);
                    calls.incrementAndGet();
                  }
                });
        while (calls.get() < 3) {
          Thread.onSpinWait();
        }
        boolean closed = false;
        while (!closed) {
          try {
            memory.close();
            closed = true;
          } catch (IllegalStateException e) {
            Thread.onSpinWait();
          }
        }
        Throwable end = assertThrows(Exception.class, user::get).getCause();
        assertInstanceOf(IllegalStateException.class, end);
      }
    }
  }

  @Test
  void aStatusBecomesAnException() {
    try (Arena tables = Arena.ofShared();
        Arena memory = Arena.ofShared()) {
      FakeTable fake = new FakeTable(tables);
      AtomicInteger status = new AtomicInteger();
      mla_kernels.add(
          fake.table,
          mla_kernels.add.allocate(
              (x, xStride, r, rStride, scale, rows, width, y, yStride, error, size) -> {
                error.reinterpret(size).setString(0, "status " + status.get());
                return status.get();
              },
              tables));
      MemorySegment segment = memory.allocate(64);
      TileKernel kernel = add(fake.kernels(), segment, 4);
      for (int i = 1; i <= 5; i++) {
        status.set(i);
        RuntimeException e =
            assertThrows(RuntimeException.class, () -> kernel.run(new Tile().rows(0, 1)));
        assertEquals(
            i <= Mla.MLA_WORKSPACE_TOO_SMALL()
                ? InvalidArgumentException.class
                : BackendException.class,
            e.getClass());
        assertTrue(e.getMessage().contains("status " + i), e.getMessage());
      }
    }
  }
}
