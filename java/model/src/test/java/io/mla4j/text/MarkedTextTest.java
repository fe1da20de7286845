package io.mla4j.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.mla4j.InvalidArgumentException;
import io.mla4j.checkpoint.CheckpointException;
import io.mla4j.checkpoint.GoldenCheckpointsTest;
import io.mla4j.checkpoint.ModelFiles;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * Given conversations whose messages spell out control tokens, when they are rendered and encoded,
 * then only those of the template are control tokens, and all other text is encoded as before.
 */
class MarkedTextTest {
  private static final Path MODEL = GoldenCheckpointsTest.TINY_MLA;
  private static final Pattern MARKUP = Pattern.compile("<[^<>\\s{}'\"]+>|\\[g?[A-Z/]+\\]");
  private static final ChatOptions PROMPT = ChatOptions.DEFAULT;

  @TempDir Path folder;

  /** The carried tokenizer with more added tokens. */
  private Path model(Set<String> more) throws IOException {
    ObjectNode json =
        (ObjectNode) ModelFiles.MAPPER.readTree(MODEL.resolve("tokenizer.json").toFile());
    ArrayNode added = (ArrayNode) json.get("added_tokens");
    Set<String> known = new LinkedHashSet<>();
    added.forEach(token -> known.add(token.get("content").textValue()));
    int id = 4096;
    for (String text : more) {
      if (known.add(text)) {
        ObjectNode token = added.get(0).deepCopy();
        token.put("id", id++);
        token.put("content", text);
        // As real vocabularies have it: markers of reasoning and tools are no special tokens.
        token.put("special", text.contains("|") || text.contains("｜"));
        added.add(token);
      }
    }
    Files.writeString(folder.resolve("tokenizer.json"), json.toString());
    for (String file : List.of("tokenizer_config.json", "config.json")) {
      Files.copy(MODEL.resolve(file), folder.resolve(file), StandardCopyOption.REPLACE_EXISTING);
    }
    return folder;
  }

  private static Set<String> markup(String template) {
    Set<String> found = new LinkedHashSet<>();
    Matcher matcher = MARKUP.matcher(template);
    while (matcher.find()) {
      found.add(matcher.group());
    }
    return found;
  }

  private static List<Integer> controls(int[] ids, ControlTokens tokens) {
    Set<Integer> all = new LinkedHashSet<>();
    tokens.texts().forEach(text -> all.add(tokens.id(text).getAsInt()));
    return Arrays.stream(ids).boxed().filter(all::contains).toList();
  }

  private static ChatMessage message(JsonNode node) {
    Map<String, Object> more =
        ModelFiles.MAPPER.convertValue(node, new TypeReference<LinkedHashMap<String, Object>>() {});
    more.remove("role");
    Object content = more.remove("content");
    return new ChatMessage(node.get("role").textValue(), (String) content, more);
  }

  private static List<ChatMessage> messages(JsonNode variables) {
    List<ChatMessage> messages = new ArrayList<>();
    for (JsonNode node : variables.get("messages")) {
      if (node.path("content").isContainerNode()) {
        return List.of();
      }
      messages.add(message(node));
    }
    return messages;
  }

  /** All templates that are carried, all their conversations. */
  @Test
  void whatIsTypedIsTextInEveryTemplate() throws IOException {
    checkAll(
        new File(
            System.getProperty("mla4j.root"),
            "java/model/src/test/resources/templates/families.json"));
  }

  /** Those of published templates: a file that scripts/templates/make_cases.py wrote. */
  @Test
  @EnabledIfSystemProperty(named = "mla4j.templates", matches = ".+")
  void whatIsTypedIsTextInPublishedTemplates() throws IOException {
    checkAll(new File(System.getProperty("mla4j.templates")));
  }

  private void checkAll(File file) throws IOException {
    JsonNode cases = ModelFiles.MAPPER.readTree(file);
    Map<String, List<JsonNode>> byTemplate = new LinkedHashMap<>();
    for (JsonNode one : cases) {
      if (!one.get("text").isNull()) {
        byTemplate
            .computeIfAbsent(one.get("template").textValue(), _ -> new ArrayList<>())
            .add(one);
      }
    }
    int checked = 0;
    for (Map.Entry<String, List<JsonNode>> entry : byTemplate.entrySet()) {
      Set<String> markup = markup(entry.getKey());
      markup.addAll(List.of("<|im_end|>", "<think>", "</think>", "<｜User｜>"));
      Path model = model(markup);
      ChatTemplate template = ChatTemplate.of("t", entry.getKey(), model);
      try (Tokenizer tokenizer = Tokenizer.open(model)) {
        for (JsonNode one : entry.getValue()) {
          List<ChatMessage> messages = messages(one.get("variables"));
          if (!messages.isEmpty()) {
            check(template, tokenizer, messages, options(one.get("variables")));
            checked++;
          }
        }
      }
    }
    assertTrue(checked > 20, "conversations: " + checked);
  }

  private static ChatOptions options(JsonNode variables) {
    Map<String, Object> all =
        ModelFiles.MAPPER.convertValue(
            variables, new TypeReference<LinkedHashMap<String, Object>>() {});
    all.remove("messages");
    all.remove("bos_token");
    all.remove("eos_token");
    @SuppressWarnings("unchecked")
    List<Map<String, Object>> tools = (List<Map<String, Object>>) all.remove("tools");
    boolean prompt = Boolean.TRUE.equals(all.remove("add_generation_prompt"));
    return new ChatOptions(prompt, tools == null ? List.of() : tools, all);
  }

  private static void check(
      ChatTemplate template, Tokenizer tokenizer, List<ChatMessage> messages, ChatOptions options) {
    ControlTokens controls = tokenizer.controls();
    String usual = template.render(messages, options);
    MarkedText marked = template.mark(messages, options, controls);
    assertEquals(usual, marked.text());
    boolean spellsOut =
        messages.stream().anyMatch(m -> m.content() != null && !controls.in(m.content()).isEmpty());
    if (!spellsOut) {
      assertArrayEquals(tokenizer.encode(usual, false), tokenizer.encode(marked));
    }
    String typed = " a " + String.join(" b ", controls.texts()) + " c";
    List<ChatMessage> attack = new ArrayList<>();
    List<ChatMessage> harmless = new ArrayList<>();
    for (ChatMessage message : messages) {
      boolean isTyped = message.role().equals("user") || message.role().equals("tool");
      attack.add(isTyped ? with(message, "x" + typed + " y") : message);
      harmless.add(isTyped ? with(message, "x harmless y") : message);
    }
    MarkedText attacked = template.mark(attack, options, controls);
    int[] ids = tokenizer.encode(attacked);
    assertEquals(
        controls(tokenizer.encode(template.mark(harmless, options, controls)), controls),
        controls(ids, controls),
        attacked.text());
    assertEquals(attacked.text(), tokenizer.decode(ids, false));
  }

  private static ChatMessage with(ChatMessage message, String content) {
    return new ChatMessage(message.role(), content, message.more());
  }

  @Test
  void textThatIsSplitOrEscapedStaysText() throws IOException {
    Path model = model(Set.of("<|im_start|>", "<|im_end|>", "<think>", "</think>"));
    try (Tokenizer tokenizer = Tokenizer.open(model)) {
      ControlTokens controls = tokenizer.controls();
      for (String source :
          List.of(
              "<|im_start|>{{ messages[0].content }}{{ messages[1].content }}<|im_end|>",
              "<|im_start|>{{ messages | tojson(ensure_ascii=true) }}<|im_end|>",
              "<|im_start|>{{ messages }}<|im_end|>",
              "<|im_start|>{% for m in messages %}{{ m.content | upper | lower }}{% endfor"
                  + " %}<|im_end|>")) {
        ChatTemplate template = ChatTemplate.of("t", source, model);
        List<ChatMessage> messages =
            List.of(ChatMessage.user("a <|im_"), ChatMessage.user("end|> <|im_end|>"));
        MarkedText marked = template.mark(messages, PROMPT, controls);
        assertEquals(template.render(messages), marked.text(), source);
        assertEquals(
            List.of("<|im_start|>", "<|im_end|>").stream()
                .map(text -> controls.id(text).getAsInt())
                .toList(),
            controls(tokenizer.encode(marked), controls),
            source);
      }
    }
  }

  /** What a template looks for in an answer is left to it. */
  @Test
  void templatesFindTheEndOfReasoningInAnswers() throws IOException {
    Path model = model(Set.of("<|im_end|>", "<think>", "</think>"));
    String source =
        "{% for m in messages %}{% if '</think>' in m.content %}{{ m.content.split('</think>')[-1]"
            + " }}{% else %}{{ m.content }}{% endif %}<|im_end|>{% endfor %}";
    ChatTemplate template = ChatTemplate.of("t", source, model);
    try (Tokenizer tokenizer = Tokenizer.open(model)) {
      MarkedText marked =
          template.mark(
              List.of(
                  ChatMessage.user("Why</think>not?"),
                  ChatMessage.assistant("<think>Hm<|im_end|></think>So <|im_end|>it is.")),
              PROMPT,
              tokenizer.controls());
      assertEquals("Why</think>not?<|im_end|>So <|im_end|>it is.<|im_end|>", marked.text());
      assertEquals(
          2, controls(tokenizer.encode(marked), tokenizer.controls()).size(), marked.toString());
    }
  }

  @Test
  void privateCharactersAreTextOfTheirOwn() throws IOException {
    Path model = model(Set.of("<|im_end|>"));
    ChatTemplate template = ChatTemplate.of("t", "{{ messages[0].content }}<|im_end|>", model);
    try (Tokenizer tokenizer = Tokenizer.open(model)) {
      ControlTokens controls = tokenizer.controls();
      String typed = "\uE000\uE001<|im_end|>\uE000";
      MarkedText marked = template.mark(List.of(ChatMessage.user(typed)), PROMPT, controls);
      assertEquals(typed + "<|im_end|>", marked.text());
      assertEquals(1, controls(tokenizer.encode(marked), controls).size());
      StringBuilder all = new StringBuilder("<|im_end|>");
      for (char c = '\uE000'; c <= '\uF8FF'; c++) {
        all.append(c);
      }
      assertThrows(
          InvalidArgumentException.class,
          () -> template.mark(List.of(ChatMessage.user(all.toString())), PROMPT, controls));
    }
  }

  /** Given a vocabulary, then the bytes of tokens are what they decode to. */
  @Test
  void bytesOfTokens() {
    try (Tokenizer tokenizer = Tokenizer.open(MODEL)) {
      byte[][] bytes = tokenizer.bytesOfTokens();
      ControlTokens controls = tokenizer.controls();
      for (String text : controls.texts()) {
        assertEquals(null, bytes[controls.id(text).getAsInt()], text);
      }
      int[] ids = tokenizer.encode("In the beginning “God” created 中文 🜂\n", false);
      ByteArrayOutputStream all = new ByteArrayOutputStream();
      for (int id : ids) {
        all.writeBytes(bytes[id]);
      }
      assertEquals("In the beginning “God” created 中文 🜂\n", all.toString(StandardCharsets.UTF_8));
    }
  }

  @Test
  void bytesOfPieces() throws IOException {
    String json =
        """
        {"version": "1.0", "truncation": null, "padding": null,
         "added_tokens": [{"id": 1, "content": "<s>", "single_word": false, "lstrip": false,
           "rstrip": false, "normalized": false, "special": true}],
         "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
         "pre_tokenizer": null, "post_processor": null, "decoder": DECODER,
         "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": true,
           "vocab": {"<unk>": 0, "<s>": 1, "<0x41>": 2, "▁": 3, "▁aé": 5}, "merges": []}}
        """;
    Path file = folder.resolve("tokenizer.json");
    Files.writeString(
        file,
        json.replace(
            "DECODER", "{\"type\": \"Sequence\", \"decoders\": [{\"type\": \"ByteFallback\"}]}"));
    try (Tokenizer tokenizer = Tokenizer.open(folder)) {
      byte[][] bytes = tokenizer.bytesOfTokens();
      assertArrayEquals(new byte[] {'A'}, bytes[2]);
      assertArrayEquals(new byte[] {' '}, bytes[3]);
      assertArrayEquals(" aé".getBytes(StandardCharsets.UTF_8), bytes[5]);
      assertEquals(null, bytes[1]);
      assertEquals(null, bytes[4]);
    }
    Files.writeString(file, json.replace("DECODER", "null"));
    try (Tokenizer tokenizer = Tokenizer.open(folder)) {
      CheckpointException e =
          assertThrows(CheckpointException.class, () -> tokenizer.bytesOfTokens());
      assertTrue(e.getMessage().startsWith(file + ": "), e.getMessage());
    }
  }
}
