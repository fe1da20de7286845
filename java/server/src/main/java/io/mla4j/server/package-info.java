/**
 * An {@link io.mla4j.engine.Engine} behind OpenAI's HTTP interface: {@link io.mla4j.server.Server}.
 */
package io.mla4j.server;
