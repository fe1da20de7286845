/** Many requests served by one model. */
module io.mla4j.engine {
  requires transitive io.mla4j.model;
  requires java.management;
  requires com.fasterxml.jackson.core;
  requires com.fasterxml.jackson.databind;
  requires jdk.jfr;
  requires jdk.management;
  requires static micrometer.core;
  requires static org.jspecify;

  exports io.mla4j.engine;
  exports io.mla4j.engine.chat;
  exports io.mla4j.engine.json;
}
