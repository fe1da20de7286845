package io.mla4j.engine;

/**
 * Tokens of one choice.
 *
 * @param promptTokens of the prompt
 * @param cachedTokens those of the prompt whose rows were there already, and were not computed
 * @param generatedTokens that were chosen, the one that ended the text included
 */
public record Usage(int promptTokens, int cachedTokens, int generatedTokens) {}
