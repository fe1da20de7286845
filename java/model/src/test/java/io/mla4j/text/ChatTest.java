package io.mla4j.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.ComputeType;
import io.mla4j.InvalidArgumentException;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.GgufBytes;
import io.mla4j.checkpoint.GoldenCheckpointsTest;
import io.mla4j.checkpoint.ModelFiles;
import io.mla4j.model.Cancellation;
import io.mla4j.text.Generation.FinishReason;
import io.mla4j.text.template.TemplateException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Conversations: where templates come from, and turns over one cache. */
class ChatTest {
  private static final Path MODEL = GoldenCheckpointsTest.TINY_MLA;
  private static final GenerationOptions SHORT = GenerationOptions.of(24, SamplingOptions.GREEDY);

  @TempDir Path folder;

  private static Model open() {
    return Model.builder(MODEL).threads(1).compute(ComputeType.F32).open();
  }

  @Test
  void theCarriedModelAnswersAsTransformersHasIt() throws Exception {
    JsonNode expected =
        ModelFiles.MAPPER.readTree(MODEL.resolve("expected.json").toFile()).get("chat");
    String said = expected.get("messages").get(0).get("content").textValue();
    assertEquals(
        expected.get("prompt").textValue(),
        ChatTemplate.find(MODEL).orElseThrow().render(List.of(ChatMessage.user(said))));
    try (Model model = open();
        Chat chat = model.chat()) {
      Generation answer = chat.say(ChatMessage.user(said), SHORT, _ -> {});
      int[] ids = new int[expected.get("ids").size()];
      for (int i = 0; i < ids.length; i++) {
        ids[i] = expected.get("ids").get(i).intValue();
      }
      assertArrayEquals(ids, answer.ids());
      assertEquals(FinishReason.EOS, answer.finishReason());
      assertEquals(2, chat.messages().size());
    }
  }

  /** Given a second turn, then its answer is that of the whole conversation at once. */
  @Test
  void turnsShareTheirStart() {
    try (Model model = open();
        Chat chat = model.chat()) {
      chat.system("And the LORD said");
      chat.say(ChatMessage.user("Who art thou?"), SHORT, _ -> {});
      List<ChatMessage> before = chat.messages();
      Generation second = chat.say(ChatMessage.user("Whither goest thou?"), SHORT, _ -> {});
      assertEquals(5, chat.messages().size());
      List<ChatMessage> all = chat.messages().subList(0, before.size() + 1);
      String prompt = ChatTemplate.find(MODEL).orElseThrow().render(all);
      Generation once = model.generate(model.tokenizer().encode(prompt, false), SHORT, _ -> {});
      assertArrayEquals(once.ids(), second.ids());
      chat.system("Be another");
      Generation other = chat.say(ChatMessage.user("Who?"), SHORT, _ -> {});
      assertEquals(chat.messages().getLast().content(), other.text());
      assertEquals("Be another", chat.messages().getFirst().content());
    }
  }

  @Test
  void whatFailsLeavesTheConversationAsItWas() {
    try (Model model = open()) {
      ChatTemplate refuses =
          ChatTemplate.of("t", "{{ raise_exception('no ' ~ messages[-1].role) }}", MODEL);
      try (Chat chat = model.chat(refuses, 64)) {
        TemplateException e = assertThrows(TemplateException.class, () -> chat.say("x", _ -> {}));
        assertEquals("t: line 1: no user", e.getMessage());
        assertTrue(chat.messages().isEmpty());
      }
      try (Chat chat = model.chat(ChatTemplate.plain(), 16)) {
        assertThrows(
            InvalidArgumentException.class, () -> chat.say("one two ".repeat(40), _ -> {}));
        assertTrue(chat.messages().isEmpty());
        Generation full = chat.say("one", _ -> {});
        assertTrue(
            full.finishReason() == FinishReason.CONTEXT || full.finishReason() == FinishReason.EOS);
      }
      Cancellation cancellation = new Cancellation();
      try (Chat chat = model.chat(ChatTemplate.plain(), 512)) {
        Generation stopped =
            chat.say(
                ChatMessage.user("In the beginning"),
                SHORT.cancelledBy(cancellation),
                _ -> cancellation.cancel());
        assertEquals(FinishReason.CANCELLED, stopped.finishReason());
        assertEquals(stopped.text(), chat.messages().getLast().content());
        chat.say(ChatMessage.user("go on"), SHORT, _ -> {});
        assertEquals(4, chat.messages().size());
      }
    }
  }

  private ChatTemplate find() {
    return ChatTemplate.find(folder).orElseThrow();
  }

  @Test
  void templatesAreFoundWhereModelsHaveThem() throws Exception {
    List<ChatMessage> hello = List.of(ChatMessage.user("hi"));
    Path config = folder.resolve("tokenizer_config.json");
    Files.writeString(config, "{\"eos_token\": {\"content\": \"</s>\"}}");
    assertTrue(ChatTemplate.find(folder).isEmpty());
    Files.writeString(
        config,
        "{\"eos_token\": {\"content\": \"</s>\"}, \"chat_template\": \"{{ messages[0].content }}{{"
            + " eos_token }}{{ bos_token is defined }}{{ tools is none }}\"}");
    assertEquals("hi</s>FalseTrue", find().render(hello));
    Files.writeString(
        config,
        "{\"chat_template\": [{\"name\": \"default\", \"template\": \"plain\"}, {\"name\":"
            + " \"tool_use\", \"template\": \"{{ tools[0].name }}\"}]}");
    assertEquals("plain", find().render(hello));
    ChatOptions tools = ChatOptions.DEFAULT.withTools(List.of(Map.of("name", "f")));
    assertEquals("f", find().render(hello, tools));
    Files.writeString(config, "{\"chat_template\": [{\"name\": \"other\", \"template\": \"x\"}]}");
    CheckpointException e = assertThrows(CheckpointException.class, this::find);
    assertTrue(e.getMessage().startsWith(config + ": key 'chat_template'"), e.getMessage());
    Files.writeString(folder.resolve("chat_template.jinja"), "{{ x }} wins");
    assertEquals("1 wins", find().render(hello, ChatOptions.DEFAULT.with("x", 1)));
  }

  @Test
  void aGgufHasItsTemplateInside() {
    Path file =
        new GgufBytes()
            .text("tokenizer.ggml.model", "gpt2")
            .texts("tokenizer.ggml.tokens", "a", "<s>")
            .u32("tokenizer.ggml.bos_token_id", 1)
            .text("tokenizer.chat_template", "{{ bos_token }}{{ messages[0].role }}")
            .write(folder.resolve("model.gguf"));
    List<ChatMessage> hello = List.of(ChatMessage.user("hi"));
    assertEquals("<s>user", ChatTemplate.find(file).orElseThrow().render(hello));
    assertEquals("<s>user", find().render(hello), "in a directory");
  }
}
