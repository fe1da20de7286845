package io.mla4j.checkpoint;

import static io.mla4j.ops.StorageFormat.E8M0;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.ClosedException;
import io.mla4j.InvalidArgumentException;
import io.mla4j.Mla4jException;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Writing and reading safetensors files. */
class SafetensorsTest {
  @TempDir private Path directory;

  private static Tensor floats(float[] values, long... shape) {
    MemorySegment segment = Arena.ofAuto().allocateFrom(ValueLayout.JAVA_FLOAT, values);
    return Tensor.of(segment, StorageFormat.F32, shape);
  }

  private Path file(String header, int dataBytes) throws Exception {
    Path file = directory.resolve("made.safetensors");
    byte[] text = header.getBytes(StandardCharsets.UTF_8);
    try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
      out.writeLong(Long.reverseBytes(text.length));
      out.write(text);
      out.write(new byte[dataBytes]);
    }
    return file;
  }

  @Test
  void closedMeansClosed() throws Exception {
    Path file = directory.resolve("closed.safetensors");
    new SafetensorsWriter().add("a", floats(new float[] {1}, 1)).write(file);
    Checkpoint checkpoint = Checkpoint.openFile(file);
    checkpoint.close();
    checkpoint.close();
    assertThrows(ClosedException.class, () -> checkpoint.get("a"));
    assertThrows(ClosedException.class, checkpoint::tensors);
  }

  @Test
  void whatIsWrittenIsRead() throws Exception {
    Path file = directory.resolve("a.safetensors");
    Random random = new Random(5);
    float[] values = new float[6];
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextFloat();
    }
    MemorySegment ids = Arena.ofAuto().allocateFrom(ValueLayout.JAVA_LONG, 1L << 40, -1, 3);
    new SafetensorsWriter()
        .metadata("format", "pt")
        .add("logits \"1\"\n", floats(values, 2, 3))
        .add("ids", Tensor.of(ids, StorageFormat.I64, 3))
        .add("none", floats(new float[] {0}, 0))
        .write(file);
    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      StoredTensor logits = checkpoint.get("logits \"1\"\n");
      assertEquals(StoredType.F32, logits.type());
      assertEquals(List.of(2L, 3L), logits.shape());
      assertArrayEquals(values, logits.toFloats());
      assertEquals(1L << 40, checkpoint.get("ids").segment().get(ValueLayout.JAVA_LONG, 0));
      assertEquals(0, checkpoint.get("none").elements());
      assertEquals(3, checkpoint.tensors().size());
    }
    byte[] bytes = Files.readAllBytes(file);
    assertEquals(0, ModelFiles.headerLength(bytes) % 8);
  }

  @Test
  void replacesAFileAndLeavesNothingElse() throws Exception {
    Path file = directory.resolve("a.safetensors");
    Files.writeString(file, "old");
    new SafetensorsWriter().add("a", floats(new float[] {1}, 1)).write(file);
    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      assertEquals(1, checkpoint.get("a").toFloats()[0]);
    }
    Path missing = directory.resolve("missing").resolve("a.safetensors");
    Mla4jException e =
        assertThrows(Mla4jException.class, () -> new SafetensorsWriter().write(missing));
    assertTrue(e.getMessage().contains(missing.toString()), e.getMessage());
    Path folder = Files.createDirectories(directory.resolve("folder").resolve("full"));
    assertThrows(Mla4jException.class, () -> new SafetensorsWriter().write(folder.getParent()));
    try (Stream<Path> left = Files.list(directory)) {
      assertEquals(
          List.of("a.safetensors", "folder"),
          left.map(path -> path.getFileName().toString()).sorted().toList());
    }
  }

  @Test
  void namesAndGapsAreChecked() {
    Tensor tensor = floats(new float[] {1, 2, 3, 4}, 2, 2);
    SafetensorsWriter writer = new SafetensorsWriter().add("a", tensor);
    assertThrows(InvalidArgumentException.class, () -> writer.add("a", tensor));
    assertThrows(InvalidArgumentException.class, () -> writer.add("__metadata__", tensor));
    Tensor gaps =
        Tensor.strided(tensor.segment(), StorageFormat.F32, new long[] {2, 1}, new long[] {2, 1});
    assertThrows(InvalidArgumentException.class, () -> writer.add("b", gaps));
  }

  @Test
  void metadataIsWritten() {
    Path file = directory.resolve("a.safetensors");
    new SafetensorsWriter()
        .metadata("format", "pt")
        .metadata("b \"2\"", "c\n")
        .add("a", floats(new float[] {1}, 1))
        .write(file);
    try (OpenFiles files = new OpenFiles()) {
      assertEquals(
          Map.of("format", "pt", "b \"2\"", "c\n"), SafetensorsFile.map(file, files).metadata());
    }
  }

  /** Names of eight lengths, so that headers end everywhere. */
  @Test
  void dataBeginsAtAMultipleOfEightBytes() throws Exception {
    for (int length = 1; length <= 8; length++) {
      Path file = directory.resolve("a.safetensors");
      String name = "a".repeat(length);
      new SafetensorsWriter().add(name, floats(new float[] {3}, 1)).write(file);
      assertEquals(0, ModelFiles.headerLength(Files.readAllBytes(file)) % 8);
      try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
        assertEquals(3, checkpoint.get(name).toFloats()[0]);
      }
    }
  }

  /** Tensors are written in pieces of 64 MiB. */
  @Test
  void aTensorOfSeveralPiecesIsWhole() {
    Path file = directory.resolve("a.safetensors");
    int count = (1 << 24) + 2;
    MemorySegment values = Arena.ofAuto().allocate(4L * count, 64);
    values.setAtIndex(ValueLayout.JAVA_FLOAT, (1 << 24) - 1, 5);
    values.setAtIndex(ValueLayout.JAVA_FLOAT, count - 1, 7);
    new SafetensorsWriter().add("a", Tensor.of(values, StorageFormat.F32, count)).write(file);
    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      assertEquals(-1, values.mismatch(checkpoint.get("a").segment()));
    }
  }

  @Test
  void namesAreTakenHoweverATensorIsAdded() {
    SafetensorsWriter writer = new SafetensorsWriter();
    writer.add("a", StoredType.U8, List.of(0L), channel -> {});
    for (String name : List.of("a", "__metadata__")) {
      assertThrows(
          InvalidArgumentException.class,
          () -> writer.add(name, StoredType.U8, List.of(0L), channel -> {}));
    }
  }

  /** What is called E8M0 in computations is F8_E8M0 in files; blocks of ggml are GGUF's alone. */
  @Test
  void typesAreThoseOfSafetensors() {
    Path file = directory.resolve("a.safetensors");
    Tensor powers =
        Tensor.of(
            Arena.ofAuto().allocateFrom(ValueLayout.JAVA_BYTE, (byte) 127, (byte) 126), E8M0, 1, 2);
    new SafetensorsWriter().add("powers", powers).write(file);
    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      StoredTensor stored = checkpoint.get("powers");
      assertEquals(StoredType.F8_E8M0, stored.type());
      assertEquals(0.5f, stored.tensor().format().read(stored.segment(), 1));
    }
    for (StorageFormat format : List.of(StorageFormat.Q8_0, StorageFormat.I4, StorageFormat.NL4)) {
      Tensor blocks = Tensor.of(Arena.ofAuto().allocate(64), format, 1, 32);
      InvalidArgumentException e =
          assertThrows(
              InvalidArgumentException.class, () -> new SafetensorsWriter().add("b", blocks));
      assertEquals(
          "tensor 'b' has format "
              + format
              + ", but must have a type of [BOOL, U8, I8, F8_E5M2, F8_E4M3, F8_E8M0, I16, U16, F16,"
              + " BF16, I32, U32, F32, C64, F64, I64, U64, F4]",
          e.getMessage());
    }
  }

  @Test
  void halvesAreWidenedExactly() throws Exception {
    Path file = directory.resolve("a.safetensors");
    short[] halves = {0x3C00, (short) 0xC000, 0x0001, 0x7C00, (short) 0x8000};
    short[] bf16 = {0x3F80, (short) 0xC000, 0x0001, 0x7F80, (short) 0x8000};
    new SafetensorsWriter()
        .add(
            "f16",
            Tensor.of(
                Arena.ofAuto().allocateFrom(ValueLayout.JAVA_SHORT, halves), StorageFormat.F16, 5))
        .add(
            "bf16",
            Tensor.of(
                Arena.ofAuto().allocateFrom(ValueLayout.JAVA_SHORT, bf16), StorageFormat.BF16, 5))
        .write(file);
    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      assertArrayEquals(
          new float[] {1, -2, 0x1p-24f, Float.POSITIVE_INFINITY, -0f},
          checkpoint.get("f16").toFloats());
      assertArrayEquals(
          new float[] {1, -2, 0x1p-133f, Float.POSITIVE_INFINITY, -0f},
          checkpoint.get("bf16").toFloats());
    }
  }

  @Test
  void tensorsAtOddAddressesAreAligned() throws Exception {
    String entries =
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
            + "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[3,11]}}";
    for (int padding = 0; padding < 4; padding++) {
      try (Checkpoint checkpoint = Checkpoint.openFile(file(entries + " ".repeat(padding), 11))) {
        StoredTensor b = checkpoint.get("b");
        assertEquals(0, b.segment().address() % 4);
        assertEquals(0, b.segment().get(ValueLayout.JAVA_FLOAT, 4));
        assertTrue(b.segment().isReadOnly());
      }
      Files.delete(directory.resolve("made.safetensors"));
    }
  }

  @Test
  void scalarsAndUnknownTypesForComputingAreRead() throws Exception {
    Path file =
        file(
            "{\"s\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]},"
                + "\"__metadata__\":{\"a\":\"b\"}}",
            8);
    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      StoredTensor scalar = checkpoint.get("s");
      assertEquals(1, scalar.elements());
      assertThrows(CheckpointException.class, scalar::tensor);
      assertThrows(CheckpointException.class, scalar::toFloats);
    }
  }

  private static String entry(String name, String type, String shape, int begin, int end) {
    return "\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%d,%d]}"
        .formatted(name, type, shape, begin, end);
  }

  private String refusal(String header, int dataBytes) throws Exception {
    Path file = file(header, dataBytes);
    String message =
        assertThrows(CheckpointException.class, () -> Checkpoint.openFile(file)).getMessage();
    Files.delete(file);
    return message;
  }

  /** The reference, safetensors 0.8.0, takes the last one without a word. */
  @Test
  void ofTwoTensorsOfOneNameNeitherIsTaken() throws Exception {
    String twice = "{" + entry("a", "U8", "2", 0, 2) + "," + entry("a", "U8", "2", 0, 2) + "}";
    assertTrue(refusal(twice, 2).contains("'a'"), refusal(twice, 2));
  }

  @Test
  void tensorsCoverTheDataWithoutHolesOverlapsAndTrailingBytes() throws Exception {
    String a = entry("a", "U8", "2", 0, 2);
    String hole = refusal("{" + a + "," + entry("b", "U8", "2", 3, 5) + "}", 5);
    assertTrue(hole.contains("'b'"), hole);
    String overlap = refusal("{" + a + "," + entry("b", "U8", "2", 1, 3) + "}", 3);
    assertTrue(overlap.contains("'b' overlaps tensor 'a'"), overlap);
    String trailing = refusal("{" + a + "}", 3);
    assertTrue(trailing.contains("made.safetensors"), trailing);
  }

  @Test
  void aHeaderMayHaveSpacesAroundItAndNullAsMetadata() throws Exception {
    Path file = file("  {\"__metadata__\":null," + entry("a", "U8", "2", 0, 2) + "}  ", 2);
    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      assertEquals(2, checkpoint.get("a").elements());
    }
  }

  @Test
  void rowsOfFourBitElementsNeedNotEndOnAByte() throws Exception {
    Path file = file("{" + entry("a", "F4", "2,3", 0, 3) + "}", 3);
    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      assertEquals(6, checkpoint.get("a").elements());
    }
    Files.delete(file);
    String half = refusal("{" + entry("a", "F4", "3", 0, 2) + "}", 2);
    assertTrue(half.contains("does not end with a whole byte"), half);
  }

  /** A hole in a file costs nothing, so three gigabytes are quickly made. */
  @Test
  void tensorsBeyondTwoGigabytes() throws Exception {
    long size = 3L << 30;
    Path file =
        file(
            "{\"big\":{\"dtype\":\"U8\",\"shape\":["
                + size
                + "],\"data_offsets\":[0,"
                + size
                + "]},"
                + "\"behind\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":["
                + size
                + ","
                + (size + 8)
                + "]}}   ",
            0);
    try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
      long end = out.length() + size + 8;
      out.setLength(end);
      out.seek(end - 4);
      out.writeInt(Integer.reverseBytes(Float.floatToIntBits(7)));
    }
    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      assertEquals(size, checkpoint.get("big").elements());
      assertArrayEquals(new float[] {0, 7}, checkpoint.get("behind").toFloats());
    }
    Files.delete(file);
  }

  @Test
  void closedCheckpointsGiveNoTensors() throws Exception {
    Path file = directory.resolve("a.safetensors");
    new SafetensorsWriter().add("a", floats(new float[] {1}, 1)).write(file);
    Checkpoint checkpoint = Checkpoint.openFile(file);
    StoredTensor tensor = checkpoint.get("a");
    checkpoint.close();
    checkpoint.close();
    assertThrows(IllegalStateException.class, tensor::toFloats);
    assertFalse(tensor.segment().scope().isAlive());
  }
}
