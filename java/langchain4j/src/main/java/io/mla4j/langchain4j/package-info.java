/**
 * Models of mla4j for LangChain4j: {@link io.mla4j.langchain4j.Mla4jChatModel}, {@link
 * io.mla4j.langchain4j.Mla4jStreamingChatModel} and {@link
 * io.mla4j.langchain4j.Mla4jTokenCountEstimator}. All of them may share one {@link
 * io.mla4j.engine.Engine}.
 */
package io.mla4j.langchain4j;
