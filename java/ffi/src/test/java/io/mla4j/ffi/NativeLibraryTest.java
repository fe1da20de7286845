package io.mla4j.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.BackendException;
import io.mla4j.ffi.abi.Mla;
import io.mla4j.ffi.abi.mla_get_kernels_fn;
import io.mla4j.ffi.abi.mla_kernels;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Opening libraries: right ones, wrong ones, several at once. */
class NativeLibraryTest {
  @TempDir Path folder;

  private static String refused(Path file) {
    return assertThrows(BackendException.class, () -> NativeLibrary.open(file)).getMessage();
  }

  private static String refused(MemorySegment entryPoint) {
    return assertThrows(BackendException.class, () -> NativeLibrary.of("fake", entryPoint))
        .getMessage();
  }

  @Test
  void theBuiltLibraryTellsOfItself() {
    NativeLibrary library = Natives.library();
    assertEquals("0.1.0", library.version());
    assertTrue(library.isas().contains("generic"));
    assertTrue(library.reason().length() > 10 && !library.reason().contains("\n"));
    assertEquals(library.isas().getFirst(), library.kernels(null).isa());
    for (String isa : library.isas()) {
      assertEquals(isa, library.kernels(isa).isa());
    }
  }

  @Test
  void twoCopiesLiveSideBySide() throws IOException {
    Path copy = Files.copy(Natives.file(), folder.resolve("copy.so"));
    NativeLibrary second = NativeLibrary.open(copy);
    assertNotEquals(Natives.library().entryPoint(), second.entryPoint());
    assertEquals(Natives.library().isas(), second.isas());
  }

  @Test
  void aFileThatIsNoLibrary() throws IOException {
    Path text = Files.writeString(folder.resolve("text.so"), "no library");
    String message = refused(text);
    assertTrue(message.contains(text.toString()) && message.contains("ELF"), message);
    Path truncated = Files.write(folder.resolve("cut.so"), new byte[] {0x7f, 'E', 'L', 'F', 2});
    assertTrue(refused(truncated).contains("cannot be loaded"), refused(truncated));
    assertTrue(refused(folder.resolve("absent.so")).contains("is not a file"));
    assertTrue(refused(folder).contains("is not a file"));
  }

  @Test
  void aLibraryWithoutTheEntryPoint() {
    Path zip = Path.of(System.getProperty("java.home"), "lib", System.mapLibraryName("zip"));
    assertTrue(refused(zip).contains("mla_get_kernels"));
  }

  @Test
  void aMissingDependencyIsNamed() throws Exception {
    Path needed = Files.writeString(folder.resolve("needed.c"), "int needed(void) { return 1; }");
    Path user =
        Files.writeString(
            folder.resolve("user.c"), "int needed(void); int use(void) { return needed(); }");
    Path gone = folder.resolve("libmla_gone.so");
    Path library = folder.resolve("libuser.so");
    Natives.compile("-shared", "-fPIC", "-o", gone.toString(), needed.toString());
    Natives.compile(
        "-shared", "-fPIC", "-o", library.toString(), user.toString(), "-L" + folder, "-lmla_gone");
    Files.delete(gone);
    assertTrue(refused(library).contains("libmla_gone.so"), refused(library));
  }

  @Test
  void anotherAbiVersion() {
    try (Arena arena = Arena.ofShared()) {
      String none = refused(mla_get_kernels_fn.allocate((_, _) -> MemorySegment.NULL, arena));
      assertTrue(none.contains("ABI version " + Mla.MLA_ABI_VERSION()), none);
      FakeTable fake = new FakeTable(arena);
      NativeLibrary.of("fake", fake.entryPoint());
      mla_kernels.abi_version(fake.table, Mla.MLA_ABI_VERSION() + 1);
      String other = refused(fake.entryPoint());
      assertTrue(other.contains("ABI version " + (Mla.MLA_ABI_VERSION() + 1)), other);
    }
  }

  @Test
  void anotherLayout() {
    try (Arena arena = Arena.ofShared()) {
      FakeTable fake = new FakeTable(arena);
      fake.describe(
          NativeLayout.read()
              .text()
              .replace("mla_rope_params.heads 8 i32", "mla_rope_params.heads 8 i64"));
      String message = refused(fake.entryPoint());
      assertTrue(message.contains("mla_rope_params.heads 8 i64"), message);
      mla_kernels.struct_size(fake.table, 64);
      assertTrue(refused(fake.entryPoint()).contains("64 bytes"));
    }
  }

  @Test
  void namesOfInstructionSets() {
    List<String> names = List.of("generic", "avx2", "avx512", "avx512bf16");
    assertEquals(
        List.of("avx512", "avx512bf16", "avx2", "generic"), NativeLibrary.supported(names, 15, 2));
    assertEquals(List.of("generic"), NativeLibrary.supported(names, 1, 0));
    try (Arena arena = Arena.ofShared()) {
      NativeLibrary library = NativeLibrary.of("fake", new FakeTable(arena).entryPoint());
      String message =
          assertThrows(BackendException.class, () -> library.kernels("avx2")).getMessage();
      assertEquals("isa is avx2, but this processor or the library fake only has generic", message);
      message = assertThrows(BackendException.class, () -> library.kernels("sse9")).getMessage();
      assertEquals("isa is sse9, but must be one of generic, avx2", message);
    }
  }
}
