package io.mla4j.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import jdk.jfr.FlightRecorder;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Given a flight recording, when an engine serves, then its events say what it did. */
class RecordingTest {
  @Test
  void stepsPromptsAndPressureAreRecorded(@TempDir Path folder) throws IOException {
    boolean isThere = FlightRecorder.isInitialized();
    assertNull(Recorded.step(), "nothing is made while nobody records");
    assertEquals(isThere, FlightRecorder.isInitialized(), "and no recorder");
    Path file = folder.resolve("engine.jfr");
    try (Recording recording = new Recording()) {
      for (String name : List.of("Prefill", "DecodeStep", "CachePressure")) {
        recording.enable("io.mla4j." + name).withoutThreshold();
      }
      recording.start();
      ScriptedModel model = ScriptedModel.ofIds(100, Set.of(), (text, prompt) -> text.length % 50);
      // 8 pages of 16 tokens; a page of this model is 16 rows of 32 floats.
      EngineOptions options =
          EngineOptions.builder().contextTokens(100).cacheMemory(8L * 16 * 32 * 4).build();
      try (Engine engine = Engine.over(model, options)) {
        List<Answer> answers =
            IntStream.range(0, 4)
                .mapToObj(
                    i ->
                        engine.submit(
                            Request.builder().prompt(i, 2, 3, 4, 5).maxTokens(60).build()))
                .toList();
        answers.forEach(answer -> answer.result().join());
        assertTrue(engine.statistics().counts().putBack() > 0);
      }
      recording.stop();
      recording.dump(file);
    }
    List<RecordedEvent> events = RecordingFile.readAllEvents(file);
    List<RecordedEvent> prompts =
        events.stream().filter(e -> e.getEventType().getName().endsWith("Prefill")).toList();
    assertEquals(4, prompts.size());
    assertEquals(5, prompts.getFirst().getInt("promptTokens"));
    assertNull(prompts.getFirst().getStackTrace());
    assertEquals("Prefill", prompts.getFirst().getEventType().getLabel());
    int texts =
        events.stream()
            .filter(e -> e.getEventType().getName().endsWith("DecodeStep"))
            .mapToInt(e -> e.getInt("texts"))
            .sum();
    // Those that were put back get some of theirs with what is computed again.
    assertTrue(texts > 2 * 59 && texts <= 4 * 59, "texts got " + texts + " tokens");
    assertNotNull(
        events.stream()
            .filter(e -> e.getEventType().getName().endsWith("CachePressure"))
            .filter(e -> e.getBoolean("putBack"))
            .findFirst()
            .orElse(null));
  }

  /** Neither before there is a recorder nor while it records nothing of an engine. */
  @Test
  void whatIsNotRecordedIsNoGarbage() {
    assertNoGarbage();
    try (Recording other = new Recording()) {
      for (String name : List.of("Prefill", "DecodeStep", "CachePressure", "ModelLoad")) {
        other.disable("io.mla4j." + name);
      }
      other.start();
      assertNoGarbage();
    }
    assertNoGarbage();
  }

  private static void assertNoGarbage() {
    var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    ask(1); // loads classes
    threads.getCurrentThreadAllocatedBytes();
    long before = threads.getCurrentThreadAllocatedBytes();
    ask(10_000);
    long bytes = threads.getCurrentThreadAllocatedBytes() - before;
    assertTrue(bytes < 10_000, bytes + " bytes of garbage");
  }

  private static void ask(int times) {
    for (int i = 0; i < times; i++) {
      assertNull(Recorded.step());
      assertNull(Recorded.prefill());
      assertNull(Recorded.pressure());
      assertNull(Recorded.load());
    }
  }
}
