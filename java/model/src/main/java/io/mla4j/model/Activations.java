package io.mla4j.model;

import io.mla4j.Device;
import io.mla4j.ops.Mirror;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The activations of a step by name, kept from step to step and enlarged when one has more tokens.
 * Belongs to one thread at a time.
 */
final class Activations implements AutoCloseable {
  private final Device device;
  private final Map<String, Tensor> tensors = new HashMap<>();
  private final Map<String, Mirror> mirrors = new HashMap<>();

  /** Null until there is room for something: to close a shared arena stops every thread. */
  private @Nullable Arena arena;

  private int capacity;

  Activations(Device device) {
    this.device = device;
  }

  /**
   * Makes room for {@code tokens} rows; what the tensors held is lost where they have to grow.
   *
   * @return whether they had to: then tensors that were handed out are no longer there
   */
  boolean reserve(int tokens) {
    if (arena != null && tokens <= capacity) {
      return false;
    }
    tensors.clear();
    mirrors.clear();
    close();
    arena = Arena.ofShared();
    capacity = tokens;
    return true;
  }

  private Arena reserved() {
    return Objects.requireNonNull(arena, "nothing was reserved");
  }

  /** The tensor called {@code name}: (tokens, width) F32. */
  Tensor rows(String name, int tokens, int width) {
    return rows(name, StorageFormat.F32, tokens, width);
  }

  /** The tensor called {@code name}: (tokens, width) of {@code type}, F32 or I32. */
  Tensor rows(String name, StorageFormat type, int tokens, int width) {
    Tensor all = tensors.get(name);
    if (all == null) {
      long bytes = Math.multiplyExact((long) capacity * Float.BYTES, width);
      all = Tensor.of(device.allocate(bytes, reserved()), type, capacity, width);
      tensors.put(name, all);
    }
    return all.first(tokens);
  }

  /** What Java writes or reads, called {@code name}: (tokens, width) of {@code type}. */
  Mirror mirror(String name, StorageFormat type, int tokens, int width) {
    Mirror all = mirrors.get(name);
    if (all == null) {
      all = Mirror.allocate(device, reserved(), type, capacity, width);
      mirrors.put(name, all);
    }
    return all.first(tokens);
  }

  @Override
  public void close() {
    if (arena != null) {
      arena.close();
    }
  }
}
