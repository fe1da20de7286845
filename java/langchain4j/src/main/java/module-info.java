/** Chat models for LangChain4j, in the process. */
module io.mla4j.langchain4j {
  requires transitive io.mla4j.engine;
  requires transitive langchain4j.core;

  exports io.mla4j.langchain4j;
}
