package io.mla4j.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.BackendException;
import io.mla4j.ffi.abi.Mla;
import org.junit.jupiter.api.Test;

/** The text of the bindings: complete, equal to the library's, and compared line by line. */
class NativeLayoutTest {
  /** Where it fails, run scripts/generate-bindings. */
  @Test
  void fileSaysWhatTheBindingsAre() throws Exception {
    assertEquals(BindingsLayout.text(), NativeLayout.read().text());
  }

  @Test
  void libraryTellsTheSame() {
    assertEquals(NativeLayout.read().text(), Natives.library().describe(Mla.MLA_DESCRIBE_LAYOUT()));
  }

  @Test
  void aDifferenceIsNamed() {
    String text = NativeLayout.read().text();
    NativeLayout.read().require("x.so", text);
    BackendException offset =
        assertThrows(
            BackendException.class,
            () ->
                NativeLayout.read()
                    .require(
                        "x.so",
                        text.replace("mla_linear_params.k 16 i32", "mla_linear_params.k 24 i32")));
    assertTrue(
        offset.getMessage().contains("x.so")
            && offset.getMessage().contains("mla_linear_params.k 24 i32")
            && offset.getMessage().contains("mla_linear_params.k 16 i32"),
        offset.getMessage());
    assertThrows(
        BackendException.class,
        () -> NativeLayout.read().require("x.so", text.substring(0, text.length() - 10)));
    assertThrows(
        BackendException.class, () -> NativeLayout.read().require("x.so", text + "more\n"));
    assertThrows(
        BackendException.class,
        () -> NativeLayout.read().require("x.so", text.replace("i32(ptr,i64", "i32(ptr,i32")));
  }
}
