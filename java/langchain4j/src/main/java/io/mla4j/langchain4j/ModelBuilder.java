package io.mla4j.langchain4j;

import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.DefaultChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ToolChoice;
import io.mla4j.InvalidArgumentException;
import io.mla4j.engine.Engine;
import io.mla4j.engine.EngineOptions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * What the models of this package are made of. What is set here is the default of requests that do
 * not say otherwise. Belongs to one thread.
 *
 * @param <B> the builder of one of them
 */
public abstract sealed class ModelBuilder<B extends ModelBuilder<B>>
    permits Mla4jChatModel.Builder, Mla4jStreamingChatModel.Builder {
  private Path path;
  private EngineOptions options = EngineOptions.DEFAULT;
  private Engine engine;
  private ChatRequestParameters given = DefaultChatRequestParameters.EMPTY;
  private final DefaultChatRequestParameters.Builder<?> parameters =
      DefaultChatRequestParameters.builder();
  private List<ChatModelListener> listeners = List.of();
  private final Generation generation = new Generation();

  ModelBuilder() {}

  abstract B self();

  /** A folder with config.json, or a GGUF file: opened by the model, and closed with it. */
  public B model(Path folderOrFile) {
    path = folderOrFile;
    return self();
  }

  /** How the model of {@link #model} is opened and shared out. */
  public B engineOptions(EngineOptions how) {
    options = how;
    return self();
  }

  /** An engine that others use too: closing the model does not close it. */
  public B engine(Engine shared) {
    engine = shared;
    return self();
  }

  /** Defaults of requests; what this builder sets by name goes before. */
  public B defaultRequestParameters(ChatRequestParameters defaults) {
    given = defaults;
    return self();
  }

  /** Divisor of the logits; 0, the default, always takes the likeliest token. */
  public B temperature(Double value) {
    parameters.temperature(value);
    return self();
  }

  /** The likeliest tokens stay whose probabilities together reach this. */
  public B topP(Double value) {
    parameters.topP(value);
    return self();
  }

  /** How many tokens stay at most. */
  public B topK(Integer value) {
    parameters.topK(value);
    return self();
  }

  /** Taken from the logits of tokens once for each time that they were chosen. */
  public B frequencyPenalty(Double value) {
    parameters.frequencyPenalty(value);
    return self();
  }

  /** Taken from the logits of tokens that were chosen. */
  public B presencePenalty(Double value) {
    parameters.presencePenalty(value);
    return self();
  }

  /** The most tokens of an answer, what a model thinks before it included; 512 by default. */
  public B maxOutputTokens(Integer value) {
    parameters.maxOutputTokens(value);
    return self();
  }

  /** Texts that end an answer and are left out of it. */
  public B stopSequences(List<String> texts) {
    parameters.stopSequences(texts);
    return self();
  }

  /** Tools of requests that name none. */
  public B toolSpecifications(List<ToolSpecification> tools) {
    parameters.toolSpecifications(tools);
    return self();
  }

  /** Whether tools are called. */
  public B toolChoice(ToolChoice choice) {
    parameters.toolChoice(choice);
    return self();
  }

  /** What an answer is: text, JSON, or JSON of a schema. */
  public B responseFormat(ResponseFormat format) {
    parameters.responseFormat(format);
    return self();
  }

  /** The same seed gives the same answers where the temperature is not 0; 0 by default. */
  public B seed(long value) {
    generation.seed = value;
    return self();
  }

  /** Whether a model that can reason does so before it answers; its template's default else. */
  public B enableThinking(boolean whether) {
    generation.thinking = whether;
    return self();
  }

  /** The longest time of an answer, waiting included; any by default. */
  public B timeout(Duration most) {
    generation.timeout = most;
    return self();
  }

  /** Whose requests these are: tenants of an engine take turns and share no beginnings. */
  public B tenant(String name) {
    generation.tenant = name;
    return self();
  }

  /** Told of requests, responses and errors. */
  public B listeners(List<ChatModelListener> all) {
    listeners = new ArrayList<>(all);
    return self();
  }

  /** Opens what is to be opened. */
  final Conversations conversations() {
    if ((path == null) == (engine == null)) {
      throw new InvalidArgumentException("a model needs either a path or an engine");
    }
    ChatRequestParameters defaults = given.overrideWith(parameters.build());
    if (engine != null) {
      Conversations shared =
          new Conversations(engine, false, defaults, List.copyOf(listeners), generation.copy());
      shared.requireSupported(defaults);
      return shared;
    }
    Engine opened = Engine.open(path, options);
    try {
      Conversations own =
          new Conversations(opened, true, defaults, List.copyOf(listeners), generation.copy());
      own.requireSupported(defaults);
      return own;
    } catch (UnsupportedFeatureException | InvalidArgumentException e) {
      opened.close();
      throw e;
    }
  }
}
