package io.mla4j.spring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.engine.Engine;
import io.mla4j.engine.EngineOptions;
import io.mla4j.engine.ScriptedModel;
import io.mla4j.server.Server;
import io.mla4j.server.ServerOptions;
import io.mla4j.text.ChatTemplate;
import io.mla4j.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.tool.annotation.Tool;
import org.springframework.boot.Banner;
import org.springframework.boot.SpringBootConfiguration;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;

/**
 * Given a Spring Boot application whose properties name the server, with and without {@code /v1},
 * when its ChatModel is asked, then the answers are the server's.
 */
class SpringAiTest {
  private static final Path ROOT = Path.of(System.getProperty("mla4j.root"));
  private static final Path TINY = ROOT.resolve("models/tiny-mla");
  private static final String TEMPLATE =
      "{% if tools %}Tools <tool_call></tool_call>\n{% endif %}"
          + "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}";
  private static Server server;

  @SpringBootConfiguration
  @EnableAutoConfiguration
  static class Application {}

  static class Weather {
    final AtomicInteger calls = new AtomicInteger();

    @Tool(description = "The weather of a place")
    String weather(String place) {
      calls.incrementAndGet();
      return "sunny in " + place;
    }
  }

  private static String script(String prompt) {
    if (prompt.contains("[tool]")) {
      return "It is " + prompt.substring(prompt.indexOf("sunny")).strip().replace("\"", "") + ".";
    }
    return prompt.contains("Tools")
        ? "<tool_call>{\"name\": \"weather\", \"arguments\": {\"place\": \"Lima\"}}</tool_call>"
        : "You said: " + prompt.strip();
  }

  @BeforeAll
  static void start() throws IOException {
    server =
        Server.start(
            ServerOptions.builder().port(0).modelName("tiny-mla").build(),
            () ->
                Engine.over(
                    ScriptedModel.answering(
                        Tokenizer.open(TINY),
                        ChatTemplate.of("test", TEMPLATE, TINY),
                        4096,
                        1,
                        SpringAiTest::script),
                    EngineOptions.builder().cacheMemory(64 << 20).build()));
    server.ready().join();
  }

  @AfterAll
  static void stop() {
    server.close();
  }

  /** The properties that the document shows, for the server of this test. */
  private static Properties properties(String path) throws IOException {
    Properties properties = new Properties();
    try (var shown = SpringAiTest.class.getResourceAsStream("/application.properties")) {
      properties.load(shown);
    }
    String url = "http://127.0.0.1:" + server.address().getPort() + path;
    properties.put("spring.ai.openai.base-url", url);
    return properties;
  }

  private static ConfigurableApplicationContext application(String path) throws IOException {
    return new SpringApplicationBuilder(Application.class)
        .web(WebApplicationType.NONE)
        .bannerMode(Banner.Mode.OFF)
        .run(
            properties(path).entrySet().stream()
                .map(entry -> "--" + entry.getKey() + "=" + entry.getValue())
                .toArray(String[]::new));
  }

  @ParameterizedTest
  @ValueSource(strings = {"/v1", ""})
  void modelAnswersAtOnceAndPieceByPiece(String path) throws IOException {
    try (ConfigurableApplicationContext application = application(path)) {
      ChatModel model = application.getBean(ChatModel.class);
      ChatResponse response = model.call(new Prompt("good morning"));
      assertEquals("You said: [user] good morning", response.getResult().getOutput().getText());
      assertTrue(response.getMetadata().getUsage().getPromptTokens() > 0);
      assertTrue(response.getMetadata().getUsage().getCompletionTokens() > 0);

      List<ChatResponse> pieces = model.stream(new Prompt("good evening")).collectList().block();
      assertEquals(
          "You said: [user] good evening",
          pieces.stream()
              .filter(piece -> piece.getResult() != null)
              .map(piece -> piece.getResult().getOutput().getText())
              .filter(text -> text != null)
              .collect(Collectors.joining()));
      assertTrue(pieces.size() > 3, pieces.size() + " pieces");
    }
  }

  @Test
  void toolsAreCalled() throws IOException {
    Weather weather = new Weather();
    try (ConfigurableApplicationContext application = application("/v1")) {
      String answer =
          ChatClient.create(application.getBean(ChatModel.class))
              .prompt("What is the weather in Lima?")
              .tools(weather)
              .call()
              .content();
      assertEquals("It is sunny in Lima.", answer);
    }
    assertEquals(1, weather.calls.get());
  }

  @Test
  void propertiesAreThoseOfTheDocuments() throws IOException {
    String tested =
        Files.readString(ROOT.resolve("java/spring/src/test/resources/application.properties"));
    for (String document : List.of("README.md", "docs/integrations.md")) {
      String shown = Files.readString(ROOT.resolve(document));
      assertTrue(shown.contains("```properties\n" + tested + "```"), document);
    }
  }
}
