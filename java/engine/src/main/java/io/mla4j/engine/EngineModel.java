package io.mla4j.engine;

import io.mla4j.LatentCache;
import io.mla4j.Sequence;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.model.Decoder;
import io.mla4j.text.ChatTemplate;
import io.mla4j.text.PromptCut;
import io.mla4j.text.Tokenizer;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * What an {@link Engine} computes with: a model that was opened, or one that tests have scripted
 * ({@link ScriptedModel}). Everything but {@link #step} may be called by any thread.
 */
public interface EngineModel extends AutoCloseable {
  /** What it is called: the name of its file or folder. */
  String name();

  /** {@code model_type} of its configuration. */
  String family();

  /** What is computed; empty where nothing is. */
  Optional<ModelDescription> description();

  /** How it is computed, for one line. */
  String summary();

  /** Ids are below it. */
  int vocabulary();

  /** The most tokens that a text may have. */
  int context();

  /** The ids that end a text. */
  Set<Integer> eos();

  /** Whether there is a tokenizer. */
  boolean hasTokenizer();

  /**
   * The tokenizer.
   *
   * @throws io.mla4j.InvalidArgumentException where there is none
   */
  Tokenizer tokenizer();

  /** How it writes conversations, where it says so. */
  Optional<ChatTemplate> template();

  /** How prompts are cut into steps, and whether texts may share their beginnings. */
  PromptCut promptCut();

  /** Pools with the rows of this model: their size is yet to be chosen. */
  LatentCache.Builder cacheBuilder();

  /**
   * What a step does with one sequence: appends tokens to it.
   *
   * @param sequence holds {@code text[0, from)}
   * @param text ids of the text, perhaps more than are appended
   * @param prompt how many of them are the prompt
   * @param from the first token to append
   * @param to the end of those to append
   * @param wanted {@code NONE}, {@code LAST}, or {@code EACH}: every token with the bits that it
   *     would have in a step of its own
   */
  record Piece(Sequence sequence, int[] text, int prompt, int from, int to, Decoder.Wanted wanted) {
    /** Tokens to append. */
    public int count() {
      return to - from;
    }
  }

  /**
   * Runs a step: appends the tokens of all pieces to their sequences, or, where it throws, changes
   * none of them. Called by one thread at a time.
   *
   * @param consumer takes what follows the wanted tokens, row by row, in the order of the pieces:
   *     logits (vocabulary) F32, valid during the call
   */
  void step(List<Piece> pieces, Decoder.LogitConsumer consumer);

  /** Ends what another thread's {@link #step} does, and frees everything. Twice is harmless. */
  @Override
  void close();
}
