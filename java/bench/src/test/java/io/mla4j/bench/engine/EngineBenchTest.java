package io.mla4j.bench.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.text.Speculation;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Given an engine of the carried model, when it is measured, then what was counted adds up. */
class EngineBenchTest {
  private static EngineBench bench;

  @BeforeAll
  static void open() {
    Path tiny = Path.of(System.getProperty("mla4j.root"), "models", "tiny-mla");
    bench =
        EngineBench.open(
            new EngineBench.Options(tiny, "native", 1, 64, 70, 12, 2, Speculation.OFF), 3, 600);
  }

  @AfterAll
  static void close() {
    bench.close();
  }

  @Test
  void clientsGetAllTokens() {
    EngineReport.Clients report = bench.clients(3, true);
    assertTrue(report.tokensPerSecond() > 0, report.toString());
    assertTrue(report.own() > 0 && report.own() < 1, report.toString());
    assertTrue(report.steps() >= 2 * 12, report.toString());
    assertTrue(report.garbage() > 0, report.toString());
  }

  @Test
  void textsGoOnBesideALongPrompt() {
    EngineReport.LongPrompt report = bench.longPrompt(2, 400);
    assertTrue(report.steps() > 1, report.toString());
    assertTrue(report.mostRatio() >= report.meanRatio(), report.toString());
  }

  @Test
  void whatWasSaidBeforeIsCached() {
    EngineReport.Turns report = bench.turns(3, 0);
    assertEquals(3, report.usages().size());
    assertEquals(2 * (70 + 12) + 70, report.usages().get(2).promptTokens());
    assertTrue(report.usages().get(2).cachedTokens() > 0, report.toString());
    assertTrue(report.hits() < report.hitsOfKnown(), report.toString());
  }
}
