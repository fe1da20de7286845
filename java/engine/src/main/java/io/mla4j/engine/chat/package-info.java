/**
 * Conversations over an engine: messages and tools become a prompt as the model's template writes
 * it, and the text that the model writes becomes reasoning, content and tool calls.
 */
@NullMarked
package io.mla4j.engine.chat;

import org.jspecify.annotations.NullMarked;
