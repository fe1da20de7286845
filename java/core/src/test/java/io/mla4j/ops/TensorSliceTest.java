package io.mla4j.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

class TensorSliceTest {
  /** A step may have no token in front of its last ones; its heads are sliced all the same. */
  @Test
  void aTensorWithoutRowsIsSlicedAlongItsOtherDimensions() {
    Tensor none = Tensor.of(Arena.ofAuto().allocate(0), StorageFormat.F32, 0, 4, 8).along(2, 4, 4);
    assertEquals(0, none.dim(0));
    assertEquals(4, none.dim(2));
    assertEquals(0, none.segment().byteSize());
  }
}
