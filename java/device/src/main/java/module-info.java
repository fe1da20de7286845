/** What any device with memory of its own needs, whoever makes it. */
module io.mla4j.device {
  requires transitive io.mla4j.core;

  exports io.mla4j.device;
}
