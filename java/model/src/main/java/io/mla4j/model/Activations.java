package io.mla4j.model;

import io.mla4j.Tensor;
import io.mla4j.TensorType;
import io.mla4j.spi.Device;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.Map;

/**
 * The activations of a step by name, kept from step to step and enlarged when one has more tokens.
 * Belongs to one thread at a time.
 */
final class Activations implements AutoCloseable {
  private final Device device;
  private final Map<String, Tensor> tensors = new HashMap<>();
  private Arena arena = Arena.ofShared();
  private int capacity;

  Activations(Device device) {
    this.device = device;
  }

  /** Makes room for {@code tokens} rows; what the tensors held is lost where they have to grow. */
  void reserve(int tokens) {
    if (tokens > capacity) {
      tensors.clear();
      arena.close();
      arena = Arena.ofShared();
      capacity = tokens;
    }
  }

  /** The tensor called {@code name}: (tokens, width) of {@code type}. */
  Tensor rows(String name, TensorType type, int tokens, int width) {
    Tensor all = tensors.get(name);
    if (all == null) {
      long bytes = Math.multiplyExact((long) capacity * type.bytes(), width);
      all = Tensor.of(device.allocate(bytes, arena), type, capacity, width);
      tensors.put(name, all);
    }
    return all.first(tokens);
  }

  /** The same for F32. */
  Tensor rows(String name, int tokens, int width) {
    return rows(name, TensorType.F32, tokens, width);
  }

  @Override
  public void close() {
    arena.close();
  }
}
