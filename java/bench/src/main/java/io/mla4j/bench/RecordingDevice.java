package io.mla4j.bench;

import io.mla4j.BoundOperation;
import io.mla4j.DecodePlan;
import io.mla4j.Device;
import io.mla4j.MlaShape;
import io.mla4j.ops.Absorb;
import io.mla4j.ops.Add;
import io.mla4j.ops.AppendLatent;
import io.mla4j.ops.Attend;
import io.mla4j.ops.AttendAbsorbed;
import io.mla4j.ops.Operation;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A device in the host's memory that shows a recorder what attention and additions give. */
record RecordingDevice(Device device, PrecisionRecorder recorder) implements ForwardingDevice {
  @Override
  public BoundOperation bind(Operation operation) {
    BoundOperation bound = device.bind(operation);
    return switch (operation) {
      case AppendLatent o ->
          plan -> {
            bound.run(plan);
            recorder.appended(o);
          };
      case Attend o ->
          plan -> {
            bound.run(plan);
            if (recorder.listens()) {
              recorder.attended(o, lse(o, plan));
            }
          };
      // A branch that is added to what goes through all layers.
      case Add o when o.x() == o.out() ->
          plan -> {
            bound.run(plan);
            recorder.added(o);
          };
      default -> bound;
    };
  }

  /** (n, heads): the absorbed form tells it; null where the step has another form. */
  private float[] lse(Attend o, DecodePlan plan) {
    if (!recorder.absorbed()) {
      return null;
    }
    MlaShape s = o.shape();
    long n = o.q().dim(0);
    try (Arena arena = Arena.ofShared()) {
      Tensor q = floats(arena, n, s.heads(), s.cached());
      Tensor sums = floats(arena, n, s.heads(), s.latent());
      Tensor lse = floats(arena, n, s.heads());
      device.run(new Absorb(o.q(), o.up(), o.compute(), q));
      device.run(new AttendAbsorbed(o.layer(), q, o.score(), o.compute(), sums, lse), plan);
      return lse.toArray();
    }
  }

  private Tensor floats(Arena arena, long... shape) {
    long count = 1;
    for (long dimension : shape) {
      count *= dimension;
    }
    MemorySegment memory = device.allocate(count * Float.BYTES, arena);
    return Tensor.of(memory, StorageFormat.F32, shape);
  }
}
