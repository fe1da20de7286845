/** The engine behind OpenAI's HTTP interface. */
module io.mla4j.server {
  requires transitive io.mla4j.engine;
  requires com.fasterxml.jackson.core;
  requires com.fasterxml.jackson.databind;
  requires java.management;
  requires jdk.httpserver;

  exports io.mla4j.server;
}
