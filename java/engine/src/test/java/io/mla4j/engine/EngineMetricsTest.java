package io.mla4j.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Given an engine that wrote texts, its meters say what its statistics say. */
class EngineMetricsTest {
  @Test
  void metersAreTheStatistics() throws Exception {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    EngineModel model = ScriptedModel.ofIds(100, Set.of(0), (text, prompt) -> 7);
    try (Engine engine = Engine.over(model, EngineOptions.DEFAULT)) {
      new EngineMetrics(engine, Tags.of("model", "scripted")).bindTo(registry);
      assertEquals(0, registry.get("mla4j.requests").functionCounter().count());
      engine
          .submit(Request.builder().prompt(1, 2, 3).maxTokens(5).build())
          .result()
          .get(20, TimeUnit.SECONDS);
      assertTrue(engine.drain(Duration.ofSeconds(20)));
      assertEquals(1, registry.get("mla4j.requests").functionCounter().count());
      assertEquals(3, tokens(registry, "prompt"));
      assertEquals(5, tokens(registry, "generated"));
      assertEquals(
          1, registry.get("mla4j.texts").tag("reason", "length").functionCounter().count());
      assertEquals(
          0, registry.get("mla4j.texts").tag("reason", "failed").functionCounter().count());
      assertEquals(0, registry.get("mla4j.requests.running").gauge().value());
      assertEquals(
          engine.statistics().cache().pages(), registry.get("mla4j.cache.pages").gauge().value());
      assertEquals(4, registry.get("mla4j.token.next").functionTimer().count());
      assertTrue(registry.get("mla4j.request").functionTimer().totalTime(TimeUnit.SECONDS) > 0);
      registry
          .getMeters()
          .forEach(meter -> assertEquals("scripted", meter.getId().getTag("model"), "" + meter));
    }
  }

  private static double tokens(SimpleMeterRegistry registry, String kind) {
    return registry.get("mla4j.tokens").tag("kind", kind).functionCounter().count();
  }
}
