package io.mla4j.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.BackendException;
import io.mla4j.ffi.abi.Mla;
import io.mla4j.ffi.abi.mla_kernels;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.MemoryLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The text of the bindings: complete, equal to the library's, and compared line by line. */
class NativeLayoutTest {
  @Test
  void everyFunctionOfTheTableHasASignature() {
    List<String> pointers = new ArrayList<>();
    for (MemoryLayout member : mla_kernels.layout().memberLayouts()) {
      if (member instanceof AddressLayout) {
        pointers.add(member.name().orElseThrow());
      }
    }
    pointers.add("mla_get_kernels");
    assertEquals(pointers, List.copyOf(BindingsLayout.cpu().functions().keySet()));
  }

  /** Where one fails after a change of the header, its file takes what the bindings say. */
  @Test
  void filesSayWhatTheBindingsAre() {
    assertEquals(BindingsLayout.cpu().text(), NativeLayout.cpu().text());
    assertEquals(BindingsLayout.device().text(), NativeLayout.device().text());
  }

  @Test
  void textHasTheFormOfTheHeader() {
    List<String> lines = NativeLayout.cpu().text().lines().toList();
    assertEquals("struct mla_linear_params 56", lines.get(0));
    assertEquals("mla_linear_params.struct_size 0 i32", lines.get(1));
    assertTrue(lines.contains("mla_attention_params.scale 52 f32"));
    assertTrue(lines.contains("mla_kernels.describe 24 ptr"));
    assertTrue(lines.contains("function describe i32(i32,ptr,i32)"));
    assertEquals("function mla_get_kernels ptr(i32,i32)", lines.getLast());
  }

  @Test
  void libraryTellsTheSame() {
    assertEquals(NativeLayout.cpu().text(), Natives.library().describe(Mla.MLA_DESCRIBE_LAYOUT()));
  }

  @Test
  void aDifferenceIsNamed() {
    String text = NativeLayout.cpu().text();
    NativeLayout.cpu().require("x.so", text);
    BackendException offset =
        assertThrows(
            BackendException.class,
            () ->
                NativeLayout.cpu()
                    .require(
                        "x.so",
                        text.replace("mla_linear_params.k 16 i32", "mla_linear_params.k 20 i32")));
    assertTrue(
        offset.getMessage().contains("x.so")
            && offset.getMessage().contains("mla_linear_params.k 20 i32")
            && offset.getMessage().contains("mla_linear_params.k 16 i32"),
        offset.getMessage());
    assertThrows(
        BackendException.class,
        () -> NativeLayout.cpu().require("x.so", text.substring(0, text.length() - 10)));
    assertThrows(BackendException.class, () -> NativeLayout.cpu().require("x.so", text + "more\n"));
    assertThrows(
        BackendException.class,
        () ->
            NativeLayout.cpu().require("x.so", text.replace("add i32(ptr,i64", "add i32(ptr,i32")));
  }
}
