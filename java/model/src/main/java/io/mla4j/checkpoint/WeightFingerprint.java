package io.mla4j.checkpoint;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.TreeMap;

/**
 * Tells checkpoints apart without reading them: SHA-256 of config.json, of the names, types and
 * shapes of all tensors, and of some bytes from the middle of {@value #SAMPLES} of them or more,
 * since a model that was trained further has the same headers.
 */
public final class WeightFingerprint {
  private static final int SAMPLES = 64;
  private static final int SAMPLE_BYTES = 256;
  private static final int DIGITS = 32;

  private WeightFingerprint() {}

  /**
   * That of a checkpoint, 32 hexadecimal digits.
   *
   * @throws CheckpointException where a file cannot be read
   */
  public static String of(Checkpoint checkpoint) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      Path config = checkpoint.path().resolveSibling("config.json");
      if (checkpoint.gguf().isEmpty() && Files.exists(config)) {
        digest.update(Files.readAllBytes(config));
      }
      List<StoredTensor> tensors = new ArrayList<>(new TreeMap<>(checkpoint.tensors()).values());
      for (StoredTensor tensor : tensors) {
        String line = tensor.name() + " " + tensor.type() + " " + tensor.shape() + "\n";
        digest.update(line.getBytes(StandardCharsets.UTF_8));
      }
      int step = Math.max(1, tensors.size() / SAMPLES);
      for (int i = 0; i < tensors.size(); i += step) {
        MemorySegment bytes = tensors.get(i).segment();
        long middle = Math.max(0, bytes.byteSize() / 2 - SAMPLE_BYTES);
        long size = Math.min(SAMPLE_BYTES, bytes.byteSize() - middle);
        digest.update(bytes.asSlice(middle, size).toArray(ValueLayout.JAVA_BYTE));
      }
      return HexFormat.of().formatHex(digest.digest()).substring(0, DIGITS);
    } catch (InternalError e) {
      throw checkpoint.files().unreadable(e);
    } catch (IOException e) {
      throw new CheckpointException(
          checkpoint.path() + ": cannot be read: " + Quote.line(e.toString()), e);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }
}
