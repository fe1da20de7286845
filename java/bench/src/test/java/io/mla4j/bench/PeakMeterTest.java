package io.mla4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.cpu.Workers;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.Test;

/** On which threads limits are measured. */
class PeakMeterTest {
  @Test
  void everyThreadThatCanRunMeasuresOnce() {
    int processors = Runtime.getRuntime().availableProcessors();
    try (Workers workers = new Workers(processors + 6)) {
      Map<Integer, Thread> threads = new ConcurrentHashMap<>();
      Together.run(workers, tile -> threads.put(tile, Thread.currentThread()));
      assertEquals(processors, threads.size());
      assertEquals(processors, threads.values().stream().distinct().count());
    }
  }

  @Test
  void moreThreadsThanProcessorsHaveARateToo() {
    try (Lab lab = new Lab(new Settings(1, 0, 0, false, false, 4 << 20, 8 << 20));
        Workers workers = new Workers(Runtime.getRuntime().availableProcessors() + 6)) {
      assertTrue(lab.meter().registers(PeakMeter.Rate.JAVA_FMA_F32, workers) > 0);
      assertTrue(lab.meter().coldRead(workers) > 0);
    }
  }
}
