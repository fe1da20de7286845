package io.mla4j.text;

import io.mla4j.Device;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.model.Decoder;
import org.jspecify.annotations.Nullable;

/** What a model that could not be opened had opened so far. */
final class Opened {
  private Opened() {}

  /** Closes what is not null, in this order: each reads those after it. */
  static void close(
      @Nullable Decoder decoder, @Nullable Device device, @Nullable Checkpoint checkpoint) {
    if (decoder != null) {
      decoder.close();
    }
    if (device != null) {
      device.close();
    }
    if (checkpoint != null) {
      checkpoint.close();
    }
  }
}
