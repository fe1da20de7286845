package io.mla4j.langchain4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.CustomMessage;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InternalServerException;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.RateLimitException;
import dev.langchain4j.exception.TimeoutException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.json.JsonRawSchema;
import dev.langchain4j.model.chat.request.json.JsonSchema;
import io.mla4j.BackendException;
import io.mla4j.InvalidArgumentException;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.engine.Engine;
import io.mla4j.engine.QueueFullException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Given requests that are refused or fail, when they are made, then the error is LangChain4j's. */
class RequestsTest {
  private static ChatRequest.Builder question() {
    return ChatRequest.builder().messages(UserMessage.from("What is the capital of Germany?"));
  }

  @Test
  void argumentOutOfItsRangeIsNamed() {
    assertMessage("topP is 2.0", question().topP(2.0).build());
    assertMessage("maxTokens is 0", question().maxOutputTokens(0).build());
  }

  @Test
  void schemaThatIsNotSupportedIsNamed() {
    ResponseFormat format =
        ResponseFormat.builder()
            .type(ResponseFormatType.JSON)
            .jsonSchema(
                JsonSchema.builder()
                    .name("Odd")
                    .rootElement(JsonRawSchema.from("{\"not\": {\"type\": \"string\"}}"))
                    .build())
            .build();
    assertMessage("not", question().responseFormat(format).build());
  }

  private static void assertMessage(String part, ChatRequest request) {
    try (Mla4jChatModel model = ScriptedEngine.chat()) {
      String message =
          assertThrows(InvalidRequestException.class, () -> model.chat(request)).getMessage();
      assertTrue(message.contains(part), message);
    }
  }

  @Test
  void timeThatIsOverIsATimeout() {
    try (Engine engine = ScriptedEngine.open((user, results) -> List.of("so ".repeat(900)));
        Mla4jChatModel model =
            Mla4jChatModel.builder()
                .engine(engine)
                .timeout(Duration.ofMillis(1))
                .maxOutputTokens(3000)
                .build()) {
      assertThrows(TimeoutException.class, () -> model.chat("how long?"));
    }
  }

  @Test
  void closedEngineIsAnError() {
    Engine engine = ScriptedEngine.open((user, results) -> List.of("yes"));
    Mla4jChatModel model = Mla4jChatModel.builder().engine(engine).build();
    assertEquals("yes", model.chat("are you there?"));
    model.close(); // leaves the engine to others
    assertEquals("yes", model.chat("are you still there?"));
    engine.close();
    assertThrows(InternalServerException.class, () -> model.chat("and now?"));
  }

  @Test
  void errorsTellWhatMayBeTriedAgain() {
    assertEquals(
        RateLimitException.class,
        Conversations.translated(new QueueFullException("full")).getClass());
    assertEquals(
        InternalServerException.class,
        Conversations.translated(new BackendException("broken")).getClass());
    assertEquals(
        InvalidRequestException.class,
        Conversations.translated(new InvalidArgumentException("odd")).getClass());
  }

  @Test
  void interruptCancelsTheAnswer() throws InterruptedException {
    try (Engine engine = ScriptedEngine.open((user, results) -> List.of("on ".repeat(1200)));
        Mla4jChatModel model =
            Mla4jChatModel.builder().engine(engine).maxOutputTokens(4000).build()) {
      Thread reader =
          Thread.ofVirtual()
              .start(
                  () ->
                      assertThrows(
                          InternalServerException.class, () -> model.chat("go on and on")));
      while (engine.statistics().load().running() == 0) {
        Thread.onSpinWait();
      }
      reader.interrupt();
      reader.join();
      while (engine.statistics().load().running() > 0) {
        Thread.onSpinWait();
      }
      assertTrue(engine.statistics().counts().generatedTokens() < 4000);
    }
  }

  @Test
  void messagesThatAreNoTextAreRefused() {
    ChatRequest request =
        ChatRequest.builder()
            .messages(UserMessage.from("a"), CustomMessage.from(Map.of("x", 1)))
            .build();
    try (Mla4jChatModel model = ScriptedEngine.chat()) {
      assertThrows(UnsupportedFeatureException.class, () -> model.chat(request));
    }
  }

  @Test
  void partsOfAMessageAreItsLines() {
    assertEquals(
        "a\nb",
        Messages.one(UserMessage.from(TextContent.from("a"), TextContent.from("b"))).content());
  }

  @Test
  void builderNeedsOneModel() {
    assertThrows(InvalidArgumentException.class, () -> Mla4jChatModel.builder().build());
    assertThrows(
        InvalidArgumentException.class,
        () -> Mla4jChatModel.builder().model(Path.of("a")).engine(ScriptedEngine.ENGINE).build());
    assertThrows(
        CheckpointException.class,
        () -> Mla4jChatModel.builder().model(Path.of("no/such/model")).build());
  }

  @Test
  void modelsSayThatTheyKnowSchemas() {
    assertEquals(
        Set.of(Capability.RESPONSE_FORMAT_JSON_SCHEMA),
        ScriptedEngine.chat().supportedCapabilities());
    assertEquals(
        Set.of(Capability.RESPONSE_FORMAT_JSON_SCHEMA),
        ScriptedEngine.streaming().supportedCapabilities());
  }

  @Test
  void estimatorCountsWhatThePromptHas() {
    Mla4jTokenCountEstimator estimator = new Mla4jTokenCountEstimator(ScriptedEngine.ENGINE);
    List<dev.langchain4j.data.message.ChatMessage> messages =
        List.of(
            SystemMessage.from("Be short."),
            UserMessage.from("hello"),
            AiMessage.from("Hello!"),
            UserMessage.from("What is the capital of Germany?"));
    try (Mla4jChatModel model = ScriptedEngine.chat()) {
      assertEquals(
          model.chat(messages).tokenUsage().inputTokenCount(),
          estimator.estimateTokenCountInMessages(messages));
    }
    int one = estimator.estimateTokenCountInMessage(messages.getLast());
    assertTrue(one > estimator.estimateTokenCountInText("What is the capital of Germany?"));
    assertEquals(0, estimator.estimateTokenCountInMessages(List.of()));
  }
}
