package io.mla4j.bench.serve;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.bench.BenchException;
import io.mla4j.engine.Engine;
import io.mla4j.engine.EngineOptions;
import io.mla4j.server.Server;
import io.mla4j.server.ServerOptions;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Given a server of the carried model with few pages, when clients ask properly while others leave,
 * stall, send garbage and exceed limits, then those are answered and every page is free again.
 */
class SoakTest {
  private static final Path TINY = Path.of(System.getProperty("mla4j.root"), "models", "tiny-mla");
  private static Server server;

  @BeforeAll
  static void start() throws IOException {
    server =
        Server.start(
            ServerOptions.builder().port(0).keys(List.of("sk-soak")).build(),
            () ->
                Engine.open(
                    TINY,
                    EngineOptions.builder()
                        .backend("native") // these tests see the emulated GPU too, which is slow
                        .parallel(8)
                        .contextTokens(512)
                        .threads(2)
                        .build()));
    server.ready().join();
  }

  @AfterAll
  static void stop() {
    server.close();
  }

  private static URI base() {
    return server.uri().resolve("v1");
  }

  @Test
  void nothingIsLostUnderMisuse() {
    Soak.Findings findings = Soak.run(base(), "sk-soak", 12, Duration.ofSeconds(8));
    assertEquals(List.of(), findings.failures());
    assertEquals(0, findings.serverErrors());
    assertEquals(0, findings.pagesLost());
    assertTrue(findings.answered() > 0 && findings.misuses() > 0, findings.toString());
  }

  @Test
  void aLoadHasAsManyTokensAsWereAskedFor() {
    LoadReport report =
        Load.run(
            new Load.Options(
                base(), "sk-soak", null, 4, 10, Duration.ofSeconds(30), 100, 70, 6, 1));
    assertEquals(List.of(), report.errors());
    assertEquals(10, report.answered());
    assertEquals(60, report.tokens());
    assertTrue(report.promptTokens() > 500 && report.promptTokens() < 2000);
    assertTrue(report.cachedTokens() > 0);
    assertTrue(report.firstToken().p50() <= report.whole().p50());
    assertFalse(report.toString().contains("NaN"));
    assertTrue(report.json().contains("\"tokens\":60"));
  }

  @Test
  void aServerThatRefusesIsToldOf() {
    BenchException e =
        assertThrows(
            BenchException.class,
            () ->
                Load.run(
                    new Load.Options(
                        base(), "wrong", null, 1, 1, Duration.ofSeconds(5), 10, 0, 1, 0)));
    assertTrue(e.getMessage().contains("401"), e.getMessage());
  }
}
