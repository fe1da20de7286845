package io.mla4j.bench;

import io.mla4j.lab.Texts;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** What two sweeps must have in common for their points to belong together. */
final class SweepIdentity {
  private SweepIdentity() {}

  static Map<String, String> of(Path model, Texts texts, SweepBench.Plan plan) {
    Map<String, String> about = new LinkedHashMap<>();
    about.put("model", model.getFileName().toString());
    about.put("model sha256", ofFiles(model));
    about.put("calibration tokens", Integer.toString(count(texts.calibration())));
    about.put("calibration sha256", ofIds(texts.calibration()));
    about.put("scored tokens", Integer.toString(texts.scored().length));
    about.put("scored sha256", ofIds(texts.scored()));
    about.put("rho, fold", plan.fitting().rho() + ", " + plan.fitting().fold());
    if (plan.speed() != null) {
      about.put("speed behind", plan.speed().context() + " tokens");
      about.put("speed of", plan.speed().backend() + ", " + plan.speed().threads() + " threads");
      about.put("processor", Machine.detect().processor());
    }
    return about;
  }

  private static int count(int[][] windows) {
    int count = 0;
    for (int[] window : windows) {
      count += window.length;
    }
    return count;
  }

  private static String ofIds(int[]... rows) {
    MessageDigest digest = sha256();
    for (int[] row : rows) {
      ByteBuffer bytes = ByteBuffer.allocate(Integer.BYTES * row.length);
      bytes.asIntBuffer().put(row);
      digest.update(bytes);
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  /** Of the configuration and the tensors. */
  private static String ofFiles(Path model) {
    MessageDigest digest = sha256();
    try (Stream<Path> all = Files.list(model)) {
      List<Path> files =
          all.filter(
                  file ->
                      file.getFileName().toString().equals("config.json")
                          || file.getFileName().toString().endsWith(".safetensors"))
              .sorted()
              .toList();
      for (Path file : files) {
        try (InputStream in = new DigestInputStream(Files.newInputStream(file), digest)) {
          in.transferTo(OutputStream.nullOutputStream());
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
