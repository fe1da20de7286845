package io.mla4j.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.mla4j.text.template.Template;
import io.mla4j.text.template.TemplateException;
import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * Given templates and variables, when they are rendered, then the text is the one that transformers
 * makes: scripts/templates/make_cases.py makes the cases.
 */
class TemplateCasesTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final LocalDateTime NOW = LocalDateTime.of(2026, 11, 8, 9, 5, 3);
  private static final Path CARRIED =
      Path.of(System.getProperty("mla4j.root"), "java/model/src/test/resources/templates");

  private static Map<String, Object> variables(JsonNode object) {
    return MAPPER.convertValue(object, new TypeReference<Map<String, Object>>() {});
  }

  private static void check(JsonNode cases, JsonNode shared, boolean errorsToo) {
    List<String> wrong = new ArrayList<>();
    for (JsonNode one : cases) {
      String name = one.get("name").textValue();
      JsonNode values = one.has("variables") ? one.get("variables") : shared;
      String expected = one.get("text").textValue();
      String text;
      String problem = null;
      try {
        text = Template.of(name, one.get("template").textValue()).render(variables(values), NOW);
      } catch (TemplateException e) {
        text = null;
        problem = e.getMessage();
        if (!problem.startsWith(name + ": line ") || problem.lines().count() != 1) {
          wrong.add(problem);
        }
      }
      if (expected == null ? errorsToo && text != null : !expected.equals(text)) {
        wrong.add(name + "\n  expected " + expected + "\n  was      " + text + " " + problem);
      }
    }
    assertTrue(wrong.isEmpty(), () -> wrong.size() + " differ\n" + String.join("\n", wrong));
  }

  @Test
  void constructs() throws IOException {
    check(
        MAPPER.readTree(CARRIED.resolve("constructs.json").toFile()),
        MAPPER.readTree(CARRIED.resolve("variables.json").toFile()),
        true);
  }

  @Test
  void templatesInTheStyleOfTheFamilies() throws IOException {
    check(MAPPER.readTree(CARRIED.resolve("families.json").toFile()), null, true);
  }

  /**
   * Cases of published templates: a file that make_cases.py wrote. What transformers refuses may
   * have a text here: a map is a list, not a generator.
   */
  @Test
  @EnabledIfSystemProperty(named = "mla4j.templates", matches = ".+")
  void publishedTemplates() throws IOException {
    check(MAPPER.readTree(new File(System.getProperty("mla4j.templates"))), null, false);
  }

  private static void refused(String source, String... parts) {
    TemplateException e =
        assertThrows(
            TemplateException.class,
            () -> Template.of("t", source).render(Map.of("x", List.of("a"))),
            source);
    assertEquals(1, e.getMessage().lines().count());
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), e.getMessage());
    }
  }

  @Test
  void errorsNameTheLine() {
    refused("a\n{% if %}", "t: line 2: ", "an expression");
    refused("\n\n{{ y.z }}", "t: line 3: 'y' is undefined");
    refused("{{ raise_exception('no\n roles') }}", "t: line 1: no roles");
    refused("{% for a in x %}", "line 1", "endfor");
    refused("{{ 'a' + x }}", "can only concatenate str (not \"list\") to str");
    refused("{% frobnicate %}", "unknown tag 'frobnicate'");
    refused("{{ x|frobnicate }}", "no filter named 'frobnicate'");
    refused("{{ x is frobnicate }}", "no test named 'frobnicate'");
    refused("{{ x", "does not end");
    refused("{{ (x] }}", "unexpected ']'");
    refused("{{ 1 / 0 }}", "division by zero");
    refused("{{ 9223372036854775807 + 1 }}", "overflow");
  }

  /** Nobody has checked a template: it reaches nothing, and what it may spend is bounded. */
  @Test
  void untrustedTemplatesAreBounded() {
    refused("{{ ''.__class__.__mro__ }}", "has no attribute '__class__'");
    refused("{{ x.getClass().getName() }}", "getClass");
    refused("{% include '/etc/passwd' %}", "another file");
    refused("{% import 'a' as b %}", "another file");
    refused("{% extends 'a' %}", "another file");
    refused("{% set _ = x.append('b') %}", "list.append changes a value");
    refused("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "nested more than");
    refused("{{ range(1000000) }}", "too big");
    refused(
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "more than");
    refused("{{ 'aaaaaaaaaa' * 1000000000 }}", "characters");
    refused(
        "{% set ns = namespace(s='aaaaaaaaaaaaaaaa') %}{% for i in range(99) %}"
            + "{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "characters");
    refused(
        "{% set ns = namespace(l=x) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% endfor"
            + " %}",
        "characters");
    refused("{{ " + "(".repeat(5000) + "1" + ")".repeat(5000) + " }}", "nested more than");
    refused("{{ " + "-".repeat(5000) + "1 }}", "nested more than");
    refused("{{ " + "not ".repeat(5000) + "1 }}", "nested more than");
    refused("{% if 1 %}".repeat(5000), "nested more than");
    refused("{{ 1" + " + 1".repeat(5000) + " }}", "nested more than");
    refused("{{ '%99999999d' % 1 }}", "wider");
    assertThrows(
        TemplateException.class,
        () -> Template.of("t", "{{ x }}").render(Map.of("x", new Object())),
        "no Java object");
  }
}
