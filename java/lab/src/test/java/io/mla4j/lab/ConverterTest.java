package io.mla4j.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.Backends;
import io.mla4j.Device;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The carried grouped model, converted, written and read by the decoder. */
class ConverterTest {
  private static final int[] TEXT = {
    0, 2187, 577, 273, 263, 347, 480, 327, 375, 16, 553, 16, 958, 578, 263, 347
  };
  private static final Path MODEL = Path.of(System.getProperty("mla4j.root"), "models", "tiny-gqa");

  @TempDir private Path folder;

  private static Converter.Plan plan(Method method, Form form, int latent, int rope) {
    return new Converter.Plan(method, Method.Fitting.DEFAULT, form, latent, rope);
  }

  /** Ids that say nothing: what is exact does not depend on statistics. */
  private static int[] ids() {
    int[] ids = new int[4 * (Converter.WINDOW - 1)];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = 3 + i * 37 % 4000;
    }
    return ids;
  }

  @Test
  void allRotatedHasTheOriginalsLogits() throws Exception {
    try (Device device = Backends.open();
        Converter converter = Converter.open(MODEL, device)) {
      List<Converter.Plan> plans =
          Stream.of(Method.FITTED, Method.TRANSMLA, Method.MHA2MLA)
              .map(method -> plan(method, Form.FULL, 128, 128))
              .toList();
      List<Path> outs = plans.stream().map(p -> folder.resolve("out " + p.method())).toList();
      converter.convert(plans, outs, converter.windows(ids(), 0), _ -> {});
      float[][] original = Logits.of(MODEL, device, TEXT);
      for (int p = 0; p < plans.size(); p++) {
        double worst = Logits.apart(original, Logits.of(outs.get(p), device, TEXT));
        String what = plans.get(p).method() + ": " + worst;
        assertTrue(worst < 1e-4, what);
      }
    }
    try (Stream<Path> left = Files.list(folder)) {
      assertEquals(3, left.count(), "what is half written");
    }
  }

  @Test
  void refusesWhatCannotBe() {
    try (Device device = Backends.open();
        Converter converter = Converter.open(MODEL, device)) {
      refused(converter, plan(Method.FITTED, Form.FULL, 0, 32), "--latent is 0");
      refused(converter, plan(Method.FITTED, Form.FULL, 225, 32), "--latent is 225");
      refused(converter, plan(Method.FITTED, Form.FULL, 64, 31), "--rope is 31");
      refused(converter, plan(Method.FITTED, Form.FULL, 64, 130), "--rope is 130");
      refused(converter, plan(Method.FITTED, Form.COMPATIBLE, 64, 48), "--rope is 48");
      LabException shortText =
          assertThrows(LabException.class, () -> converter.windows(new int[100], 0));
      assertTrue(shortText.getMessage().contains("has 100 tokens"), shortText.getMessage());
    }
  }

  @Test
  void refusesAModelThatHasLatents() {
    try (Device device = Backends.open()) {
      LabException e =
          assertThrows(
              LabException.class,
              () -> Converter.open(MODEL.resolveSibling("tiny-mla"), device).close());
      assertTrue(e.getMessage().contains("has latents already"), e.getMessage());
    }
  }

  private static void refused(Converter converter, Converter.Plan plan, String message) {
    LabException e = assertThrows(LabException.class, () -> converter.check(plan));
    assertTrue(e.getMessage().startsWith(message), e.getMessage());
  }
}
