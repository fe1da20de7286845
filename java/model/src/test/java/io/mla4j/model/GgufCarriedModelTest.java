package io.mla4j.model;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.AttentionForm;
import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.ConfigReader;
import io.mla4j.checkpoint.FileType;
import io.mla4j.checkpoint.GgufBytes;
import io.mla4j.checkpoint.GgufExport;
import io.mla4j.checkpoint.MtpLayer;
import io.mla4j.checkpoint.StoredTensor;
import io.mla4j.ops.StorageFormat;
import io.mla4j.testkit.QuickRun;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The carried model in each type of GGUF, against transformers' forward pass in double precision
 * over the numbers that PyPI's gguf makes of the same files ({@code gguf/tiny_mla_types.py}).
 * {@code -Dmla4j.golden.out=FOLDER} leaves the files for that script.
 */
class GgufCarriedModelTest {
  private static final Path MODEL = Path.of("../../models/tiny-mla").toAbsolutePath().normalize();

  /** Every so many of the vocabulary's logits are carried. */
  private static final int STEP = 32;

  private static final int WORDS = 4096;

  private static final List<AttentionForm> FORMS =
      List.of(AttentionForm.ABSORBED, AttentionForm.DECOMPRESSED);

  @TempDir private Path folder;

  /** Types by their numbers in files. */
  private enum Type {
    F32(0),
    F16(1),
    Q4_0(2),
    Q4_1(3),
    Q5_0(6),
    Q5_1(7),
    Q8_0(8),
    Q2_K(10),
    Q3_K(11),
    Q4_K(12),
    Q5_K(13),
    Q6_K(14),
    IQ4_NL(20),
    IQ4_XS(23),
    BF16(30),
    MXFP4(39);

    final int id;

    Type(int id) {
      this.id = id;
    }

    StorageFormat format() {
      return StorageFormat.weight(name());
    }
  }

  /** All; in a quick run one of each way to store numbers. */
  private static Set<Type> types() {
    return QuickRun.isOn()
        ? EnumSet.of(Type.Q8_0, Type.Q4_K, Type.IQ4_XS, Type.MXFP4)
        : EnumSet.allOf(Type.class);
  }

  @Test
  void everyTypeAgreesOnEveryDevice() throws Exception {
    Path exported = export();
    String kept = System.getProperty("mla4j.golden.out");
    for (Type type : Type.values()) {
      if (kept != null) {
        write(exported, type, Path.of(kept));
      }
    }
    List<Device> devices = GoldenLogitsTest.devices().map(Backends::open).toList();
    try (Checkpoint expected = Checkpoint.openFile(resource())) {
      MemorySegment checksums = expected.get("checksums").segment();
      for (Type type : types()) {
        Path file = write(exported, type, folder);
        assertEquals(
            checksums.get(JAVA_LONG_UNALIGNED, 8L * type.ordinal()),
            checksum(file),
            type + ": the logits were made of another file");
        for (int i = 0; i < devices.size(); i++) {
          // Both forms of each type, by turns.
          AttentionForm form = FORMS.get((type.ordinal() + i) % FORMS.size());
          compare(expected, type, file, devices.get(i), form);
        }
        Files.delete(file);
      }
    } finally {
      devices.forEach(Device::close);
    }
  }

  private static void compare(
      Checkpoint expected, Type type, Path file, Device device, AttentionForm form) {
    int[] ids = ids(expected);
    Golden golden = new Golden(type.name(), file, ids, new float[ids.length * WORDS], new int[0]);
    var options = new DecoderOptions(ComputeType.F32, CacheType.F32, form, 16, ids.length);
    float[] actual = GoldenLogitsTest.logits(golden, device, options);
    double difference = difference(expected.get(type.name()).toFloats(), actual);
    assertTrue(
        difference <= GoldenLogitsTest.F32_BOUND,
        type + " " + device.backend() + " " + device.isa() + " " + form + ": " + difference);
  }

  private static double difference(float[] expected, float[] all) {
    double largest = 0;
    double difference = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      difference = Math.max(difference, Math.abs(expected[i] - all[STEP * i]));
    }
    assertEquals(all.length, STEP * expected.length);
    return difference / largest;
  }

  private static Path resource() throws URISyntaxException {
    return Path.of(
        GgufCarriedModelTest.class.getResource("/gguf/tiny_mla_types.safetensors").toURI());
  }

  private static int[] ids(Checkpoint expected) {
    StoredTensor stored = expected.get("ids");
    int[] ids = new int[(int) (long) stored.shape().getFirst()];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = (int) stored.segment().get(JAVA_LONG_UNALIGNED, 8L * i);
    }
    return ids;
  }

  private static long checksum(Path file) throws IOException {
    CRC32 crc = new CRC32();
    crc.update(Files.readAllBytes(file));
    return crc.getValue();
  }

  private Path export() {
    Path file = folder.resolve("exported.gguf");
    try (Checkpoint checkpoint = Checkpoint.open(MODEL)) {
      new GgufExport(checkpoint, ConfigReader.read(MODEL), FileType.BF16, MtpLayer.KEEP, "tiny-mla")
          .write(file, 2, bytes -> {});
    }
    return file;
  }

  /** The exported file with its matrices in another type, or Q8_0 where their rows do not fit. */
  private static Path write(Path exported, Type type, Path to) {
    String d = "deepseek2.";
    GgufBytes file =
        new GgufBytes()
            .text("general.architecture", "deepseek2")
            .u32(d + "block_count", 6)
            .u32(d + "context_length", 2048)
            .u32(d + "embedding_length", 256)
            .u32(d + "feed_forward_length", 704)
            .u32(d + "attention.head_count", 8)
            .f32(d + "attention.layer_norm_rms_epsilon", 1e-6f)
            .u32(d + "attention.kv_lora_rank", 64)
            .u32(d + "attention.key_length_mla", 48)
            .u32(d + "attention.value_length_mla", 32)
            .u32(d + "rope.dimension_count", 16)
            .f32(d + "rope.freq_base", 10000)
            .text(d + "rope.scaling.type", "yarn")
            .f32(d + "rope.scaling.factor", 4)
            .u32(d + "rope.scaling.original_context_length", 512)
            .f32(d + "rope.scaling.yarn_log_multiplier", 0.1f)
            .u32(d + "leading_dense_block_count", 1)
            .u32(d + "expert_feed_forward_length", 128)
            .u32(d + "expert_count", 8)
            .u32(d + "expert_used_count", 2)
            .u32(d + "expert_shared_count", 1)
            .u32(d + "expert_group_count", 2)
            .u32(d + "expert_group_used_count", 1)
            .f32(d + "expert_weights_scale", 2.5f)
            .flag(d + "expert_weights_norm", true)
            .u32(d + "expert_gating_func", 2);
    try (Checkpoint checkpoint = Checkpoint.open(exported)) {
      List<StoredTensor> tensors = new ArrayList<>(checkpoint.tensors().values());
      tensors.sort(Comparator.comparing(StoredTensor::name));
      for (StoredTensor tensor : tensors) {
        boolean exact = tensor.shape().size() == 1 || tensor.name().endsWith("ffn_gate_inp.weight");
        Type stored =
            exact
                ? Type.F32
                : BlockWriter.fits(type.format(), tensor.shape().getLast()) ? type : Type.Q8_0;
        float[] values = tensor.toFloats();
        byte[] bytes = BlockWriter.write(stored.format(), values);
        double error = BlockWriter.error(stored.format(), values, bytes);
        assertTrue(error < 0.45, tensor.name() + " as " + stored + " is off by " + error);
        file.tensor(
            tensor.name(),
            stored.id,
            bytes,
            tensor.shape().reversed().stream().mapToLong(n -> n).toArray());
      }
    }
    return file.write(to.resolve(type + ".gguf"));
  }
}
