package io.mla4j.clients;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.errors.NotFoundException;
import com.openai.errors.UnauthorizedException;
import com.openai.models.FunctionDefinition;
import com.openai.models.FunctionParameters;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import com.openai.models.completions.Completion;
import com.openai.models.completions.CompletionCreateParams;
import com.openai.models.responses.Response;
import com.openai.models.responses.ResponseCreateParams;
import com.openai.models.responses.ResponseStreamEvent;
import io.mla4j.engine.Engine;
import io.mla4j.engine.EngineOptions;
import io.mla4j.engine.ScriptedModel;
import io.mla4j.server.Server;
import io.mla4j.server.ServerOptions;
import io.mla4j.text.ChatTemplate;
import io.mla4j.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Given OpenAI's own client for Java, when it asks the server, then it understands the answers. */
class OpenAiJavaTest {
  private static final Path TINY = Path.of(System.getProperty("mla4j.root"), "models", "tiny-mla");
  private static final String TEMPLATE =
      "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
          + "{% if tools %}Tools <tool_call></tool_call>{% endif %}";
  private static Server server;
  private static OpenAIClient client;

  private static String script(String prompt) {
    return prompt.contains("Tools")
        ? "<tool_call>{\"name\": \"weather\", \"arguments\": {\"place\": \"Lima\"}}</tool_call>"
        : "You said: " + prompt.strip();
  }

  @BeforeAll
  static void start() throws IOException {
    server =
        Server.start(
            ServerOptions.builder().port(0).keys(List.of("sk-test")).build(),
            () ->
                Engine.over(
                    ScriptedModel.answering(
                        Tokenizer.open(TINY),
                        ChatTemplate.of("test", TEMPLATE, TINY),
                        4096,
                        1,
                        OpenAiJavaTest::script),
                    EngineOptions.builder().cacheMemory(64 << 20).build()));
    server.ready().join();
    client = client("sk-test");
  }

  @AfterAll
  static void stop() {
    client.close();
    server.close();
  }

  private static OpenAIClient client(String key) {
    return OpenAIOkHttpClient.builder().baseUrl(server.uri() + "v1").apiKey(key).build();
  }

  private static ChatCompletionCreateParams.Builder chat(String text) {
    return ChatCompletionCreateParams.builder().model("scripted").addUserMessage(text);
  }

  private static String ask(String address, String key, String model) {
    // begin
    OpenAIClient client = OpenAIOkHttpClient.builder().baseUrl(address).apiKey(key).build();
    ChatCompletionCreateParams params =
        ChatCompletionCreateParams.builder()
            .model(model)
            .addUserMessage("In the beginning")
            .build();
    ChatCompletion answer = client.chat().completions().create(params);
    return answer.choices().getFirst().message().content().orElse("");
    // end
  }

  @Test
  void theProgramOfTheDocumentIsAnswered() {
    assertEquals(
        "You said: [user] In the beginning", ask(server.uri() + "v1", "sk-test", "scripted"));
  }

  @Test
  void chat() {
    ChatCompletion answer = client.chat().completions().create(chat("hello").build());
    assertEquals(
        "You said: [user] hello", answer.choices().getFirst().message().content().orElseThrow());
    assertEquals(
        ChatCompletion.Choice.FinishReason.STOP, answer.choices().getFirst().finishReason());
    assertTrue(answer.usage().orElseThrow().completionTokens() > 3);
  }

  @Test
  void chatInPieces() {
    ChatCompletionCreateParams params =
        chat("hello")
            .streamOptions(ChatCompletionStreamOptions.builder().includeUsage(true).build())
            .build();
    try (StreamResponse<ChatCompletionChunk> stream =
        client.chat().completions().createStreaming(params)) {
      List<ChatCompletionChunk> chunks = stream.stream().toList();
      assertEquals(
          "You said: [user] hello",
          chunks.stream()
              .flatMap(chunk -> chunk.choices().stream())
              .flatMap(choice -> choice.delta().content().stream())
              .collect(Collectors.joining()));
      assertTrue(chunks.getLast().usage().orElseThrow().totalTokens() > 5);
    }
  }

  @Test
  void tools() {
    FunctionParameters schema =
        FunctionParameters.builder()
            .putAdditionalProperty("type", JsonValue.from("object"))
            .putAdditionalProperty(
                "properties", JsonValue.from(Map.of("place", Map.of("type", "string"))))
            .build();
    ChatCompletion answer =
        client
            .chat()
            .completions()
            .create(
                chat("weather")
                    .addFunctionTool(
                        FunctionDefinition.builder().name("weather").parameters(schema).build())
                    .build());
    var call =
        answer.choices().getFirst().message().toolCalls().orElseThrow().getFirst().asFunction();
    assertEquals("weather", call.function().name());
    assertTrue(call.function().arguments().contains("Lima"));
  }

  @Test
  void completionsAndModels() {
    Completion answer =
        client
            .completions()
            .create(
                CompletionCreateParams.builder()
                    .model("scripted")
                    .prompt("In the beginning")
                    .maxTokens(99)
                    .build());
    assertEquals("You said: In the beginning", answer.choices().getFirst().text());
    assertEquals("scripted", client.models().list().data().getFirst().id());
  }

  @Test
  void responses() {
    ResponseCreateParams params =
        ResponseCreateParams.builder().model("scripted").input("hello").build();
    Response response = client.responses().create(params);
    assertEquals(
        "You said: [user] hello",
        response.output().getFirst().asMessage().content().getFirst().asOutputText().text());
    try (StreamResponse<ResponseStreamEvent> stream = client.responses().createStreaming(params)) {
      assertEquals(
          "You said: [user] hello",
          stream.stream()
              .flatMap(event -> event.outputTextDelta().stream())
              .map(delta -> delta.delta())
              .collect(Collectors.joining()));
    }
  }

  @Test
  void refusals() {
    BadRequestException wrong =
        assertThrows(
            BadRequestException.class,
            () -> client.chat().completions().create(chat("x").n(0).build()));
    assertEquals("n", wrong.param().orElseThrow());
    assertThrows(
        NotFoundException.class,
        () -> client.chat().completions().create(chat("x").model("gpt-7").build()));
    OpenAIClient other = client("sk-wrong");
    assertThrows(UnauthorizedException.class, () -> other.models().list());
    other.close();
  }
}
