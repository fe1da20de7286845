package io.mla4j.model;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.AttentionForm;
import io.mla4j.Backends;
import io.mla4j.CacheType;
import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.checkpoint.Checkpoint;
import io.mla4j.checkpoint.GgufBytes;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A random model in each block type of GGUF, against a forward pass over the numbers that PyPI's
 * gguf makes of the same bytes: {@code gguf/block_types.py} made the logits.
 */
class GgufBlockTypesTest {
  private static final int HIDDEN = 256;
  private static final int HEADS = 2;
  private static final int NOPE = 32;
  private static final int ROPE = 32;
  private static final int VALUE = 128;
  private static final int LATENT = 256;
  private static final int WIDTH = 256;
  private static final int EXPERTS = 4;
  private static final int VOCABULARY = 64;
  private static final int[] IDS = {3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 32, 38, 46, 26, 43};

  @TempDir private Path folder;

  /** A block type: its number, its block, the exponent of its scales and where they lie. */
  private enum Type {
    Q4_0(2, 32, 18, 9, 0),
    Q4_1(3, 32, 20, 8, 0, 2),
    Q5_0(6, 32, 22, 8, 0),
    Q5_1(7, 32, 24, 7, 0, 2),
    Q8_0(8, 32, 34, 5, 0),
    Q2_K(10, 256, 84, 6, 80, 82),
    Q3_K(11, 256, 110, 4, 108),
    Q4_K(12, 256, 144, 3, 0, 2),
    Q5_K(13, 256, 176, 2, 0, 2),
    Q6_K(14, 256, 210, 1, 208),
    IQ4_NL(20, 32, 18, 5, 0),
    IQ4_XS(23, 256, 136, 1, 0),
    MXFP4(39, 32, 17, 0);

    final int id;
    final int elements;
    final int bytes;
    final int exponent;
    final int[] scales;

    Type(int id, int elements, int bytes, int exponent, int... scales) {
      this.id = id;
      this.elements = elements;
      this.bytes = bytes;
      this.exponent = exponent;
      this.scales = scales;
    }
  }

  /** The file of one type, as the script makes its numbers. */
  private static final class Model {
    private final GgufBytes file = new GgufBytes();
    private final Type type;
    private long seed;

    Model(Type type, long base) {
      this.type = type;
      seed = base * 1000;
      String d = "deepseek2.";
      file.text("general.architecture", "deepseek2")
          .u32(d + "block_count", 2)
          .u32(d + "context_length", 64)
          .u32(d + "embedding_length", HIDDEN)
          .u32(d + "feed_forward_length", WIDTH)
          .u32(d + "attention.head_count", HEADS)
          .u32(d + "attention.kv_lora_rank", LATENT)
          .u32(d + "attention.key_length_mla", NOPE + ROPE)
          .u32(d + "attention.value_length_mla", VALUE)
          .u32(d + "rope.dimension_count", ROPE)
          .u32(d + "leading_dense_block_count", 1)
          .u32(d + "expert_count", EXPERTS)
          .u32(d + "expert_used_count", 2)
          .u32(d + "expert_shared_count", 1)
          .u32(d + "expert_feed_forward_length", WIDTH)
          .u32(d + "expert_gating_func", 2)
          .flag(d + "expert_weights_norm", true)
          .f32(d + "expert_weights_scale", 2.5f)
          .f32(d + "attention.layer_norm_rms_epsilon", 1e-5f);
      matrix("token_embd.weight", HIDDEN, VOCABULARY);
      vector("output_norm.weight", 1, 0.5f, HIDDEN);
      matrix("output.weight", HIDDEN, VOCABULARY);
      layer(0);
      layer(1);
    }

    private void layer(int l) {
      String b = "blk." + l + ".";
      vector(b + "attn_norm.weight", 1, 0.5f, HIDDEN);
      matrix(b + "attn_q.weight", HIDDEN, HEADS * (NOPE + ROPE));
      matrix(b + "attn_kv_a_mqa.weight", HIDDEN, LATENT + ROPE);
      vector(b + "attn_kv_a_norm.weight", 1, 0.5f, LATENT);
      matrix(b + "attn_k_b.weight", NOPE, LATENT, HEADS);
      matrix(b + "attn_v_b.weight", LATENT, VALUE, HEADS);
      matrix(b + "attn_output.weight", HEADS * VALUE, HIDDEN);
      vector(b + "ffn_norm.weight", 1, 0.5f, HIDDEN);
      if (l == 0) {
        network(b, "");
        return;
      }
      vector(b + "ffn_gate_inp.weight", 0, 0.5f, HIDDEN, EXPERTS);
      vector(b + "exp_probs_b.bias", 0, 0.1f, EXPERTS);
      matrix(b + "ffn_gate_exps.weight", HIDDEN, WIDTH, EXPERTS);
      matrix(b + "ffn_up_exps.weight", HIDDEN, WIDTH, EXPERTS);
      matrix(b + "ffn_down_exps.weight", WIDTH, HIDDEN, EXPERTS);
      network(b, "_shexp");
    }

    private void network(String layer, String kind) {
      matrix(layer + "ffn_gate" + kind + ".weight", HIDDEN, WIDTH);
      matrix(layer + "ffn_up" + kind + ".weight", HIDDEN, WIDTH);
      matrix(layer + "ffn_down" + kind + ".weight", WIDTH, HIDDEN);
    }

    private static long number(long state) {
      long z = state;
      z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
      z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
      return z ^ (z >>> 31);
    }

    private long[] numbers(int count) {
      seed++;
      long[] numbers = new long[count];
      for (int i = 0; i < count; i++) {
        numbers[i] = number(seed + (i + 1) * 0x9E3779B97F4A7C15L);
      }
      return numbers;
    }

    private static int product(long... dimensions) {
      return (int) Arrays.stream(dimensions).reduce(1, (a, b) -> a * b);
    }

    private void vector(String name, float offset, float factor, long... dimensions) {
      long[] numbers = numbers(product(dimensions));
      float[] values = new float[numbers.length];
      for (int i = 0; i < values.length; i++) {
        values[i] = offset + factor * (float) ((numbers[i] >>> 40) / 0x1p24 - 0.5);
      }
      file.tensor(name, 0, GgufBytes.floats(values), dimensions);
    }

    private void matrix(String name, long... dimensions) {
      Type stored = dimensions[0] % type.elements == 0 ? type : Type.Q8_0;
      int size = product(dimensions) / stored.elements * stored.bytes;
      ByteBuffer bytes = ByteBuffer.allocate((size + 7) / 8 * 8).order(ByteOrder.LITTLE_ENDIAN);
      bytes.asLongBuffer().put(numbers(bytes.capacity() / 8));
      byte[] data = Arrays.copyOf(bytes.array(), size);
      for (int block = 0; block < size; block += stored.bytes) {
        for (int at : stored.scales) {
          data[block + at + 1] = (byte) (data[block + at + 1] & 3 | stored.exponent << 2);
        }
        if (stored == Type.MXFP4) {
          data[block] = (byte) (121 + (data[block] & 1));
        }
      }
      file.tensor(name, stored.id, data, dimensions);
    }
  }

  static Stream<Backends.Choice> devices() {
    return GoldenLogitsTest.devices();
  }

  private Golden golden(Type type) {
    Path made;
    try {
      made = Path.of(getClass().getResource("/gguf/block_types.safetensors").toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
    try (Checkpoint file = Checkpoint.openFile(made)) {
      long base = file.get("bases").segment().get(JAVA_LONG_UNALIGNED, 8L * type.ordinal());
      return new Golden(
          type.name(),
          new Model(type, base).file.write(folder.resolve(type + ".gguf")),
          IDS,
          file.get(type.name()).toFloats(),
          new int[0]);
    }
  }

  @ParameterizedTest
  @MethodSource("devices")
  void everyBlockTypeAgrees(Backends.Choice choice) {
    try (Device device = Backends.open(choice)) {
      for (Type type : Type.values()) {
        Golden golden = golden(type);
        for (AttentionForm form : List.of(AttentionForm.ABSORBED, AttentionForm.DECOMPRESSED)) {
          int[] chunks = GoldenLogitsTest.isTestedWhole(choice) ? new int[] {16, 1} : new int[] {7};
          for (int chunk : chunks) {
            var options = new DecoderOptions(ComputeType.F32, CacheType.F32, form, 16, chunk);
            double difference = GoldenLogitsTest.difference(golden, device, options);
            assertTrue(
                difference <= GoldenLogitsTest.F32_BOUND,
                type + " " + choice + " " + options + ": " + difference);
          }
        }
      }
    }
  }
}
