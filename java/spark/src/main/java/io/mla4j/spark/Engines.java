package io.mla4j.spark;

import io.mla4j.engine.Engine;
import java.util.HashMap;
import java.util.Map;

/** The engines of this JVM: as many as there are different models, however many tasks there are. */
final class Engines {
  private static final Map<EngineKey, Engine> OPEN = new HashMap<>();

  private Engines() {}

  /**
   * The engine, opened where it is the first time. A failure is not kept: the next task tries
   * again.
   */
  static synchronized Engine of(EngineKey key) {
    Engine engine = OPEN.get(key);
    if (engine == null) {
      engine = key.open();
      OPEN.put(key, engine);
    }
    return engine;
  }

  static synchronized void close() {
    OPEN.values().forEach(Engine::close);
    OPEN.clear();
  }

  static synchronized int count() {
    return OPEN.size();
  }
}
