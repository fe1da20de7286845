package io.mla4j.engine.json;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.InvalidArgumentException;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** Given schemas that are none, endless or not supported, then one line names the place and why. */
class SchemaReaderTest {
  @SuppressWarnings("unchecked")
  private static Map<String, Object> map(String json) {
    return (Map<String, Object>) PlainJson.parse(json.replace('\'', '"'));
  }

  private static void refused(String schema, String... parts) {
    refused(map(schema), parts);
  }

  private static void refused(Map<String, Object> schema, String... parts) {
    InvalidArgumentException e =
        assertThrows(
            InvalidArgumentException.class, () -> Grammar.schema(schema), schema::toString);
    assertEquals(1, e.getMessage().lines().count(), e.getMessage());
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), e.getMessage());
    }
  }

  @Test
  void referencesArePercentDecoded() {
    Grammar.schema(map("{'$ref':'#/$defs/a%20b~1%25','$defs':{'a b/%':{'type':'null'}}}"));
    refused("{'$ref':'#/%zz'}", "$ref", "URI");
    refused("{'$ref':'#/$defs/b','$defs':{'%62':{'type':'null'}}}", "leads to nothing");
  }

  @Test
  void whatIsNotSupportedIsNamed() {
    refused("{'type':'string','pattern':'a+'}", "#", "pattern", "string");
    refused(
        "{'type':'object','properties':{'a':{'type':'array','items':{'oneOf':[]}}}}",
        "#/properties/a/items",
        "oneOf");
    refused("{'type':'boolean','minimum':1}", "minimum", "boolean");
    refused("{'type':'integer','multipleOf':2}", "multipleOf");
    refused("{'type':'array','uniqueItems':true}", "uniqueItems");
    refused("{'type':'array','prefixItems':[]}", "prefixItems");
    refused("{'type':'object','patternProperties':{}}", "patternProperties");
    refused("{'type':'object','minProperties':1}", "minProperties");
    refused("{'not':{}}", "not");
    refused("{'if':{}}", "if");
    refused("{'anyOf':[{}],'type':'string'}", "type", "anyOf");
    refused("{'$ref':'#/$defs/a','type':'string','$defs':{'a':{}}}", "type", "$ref");
    refused("{'allOf':[{},{}]}", "allOf");
    refused("{'enum':['a'],'minLength':1}", "minLength", "enum");
    refused("{'minLength':1}", "minLength");
  }

  @Test
  void whatMakesNoSenseIsNamed() {
    refused("{'type':'text'}", "text");
    refused("{'type':7}", "type must be");
    refused("{'type':[]}", "type must be");
    refused("{'type':'string','nullable':'yes'}", "nullable must be true or false");
    refused("{'type':'string','nullable':null}", "nullable must be true or false");
    refused("{'type':'object','properties':[]}", "properties must be an object");
    refused("{'type':'object','properties':{'a':7}}", "#/properties/a", "must be an object");
    refused("{'type':'object','properties':{'a':false}}", "#/properties/a", "false");
    refused("{'type':'object','required':7}", "required must be a list");
    refused("{'type':'object','required':[7]}", "required must be a list of names");
    refused("{'type':'object','properties':{'a':{}},'required':['b']}", "required names", "b");
    refused("{'type':'string','minLength':3,'maxLength':2}", "minLength is greater");
    refused("{'type':'string','maxLength':-1}", "maxLength must be");
    refused("{'type':'string','maxLength':1.5}", "maxLength must be");
    refused("{'type':'array','minItems':'2'}", "minItems must be");
    refused("{'type':'integer','minimum':3,'maximum':2}", "no whole number");
    refused("{'type':'integer','minimum':'a'}", "minimum must be a number");
    refused("{'type':'number','minimum':3,'maximum':2}", "no number");
    refused("{'type':'number','exclusiveMinimum':2,'maximum':2}", "no number");
    refused("{'type':'number','minimum':'a'}", "minimum must be a number");
    refused("{'enum':[]}", "enum has no value");
    refused("{'enum':7}", "enum must be a list");
    refused("{'type':'string','enum':[1]}", "no value of type");
    refused("{'anyOf':[]}", "anyOf is empty");
    refused("{'$ref':7}", "$ref must be");
    refused("{'$ref':'http://example.com'}", "$ref must be");
    refused("{'$ref':'#/$defs/none'}", "leads to nothing");
    refused(Map.of("enum", Collections.nCopies(1001, "a")), "more than 1000 values");
    refused(Map.of("enum", List.of("a".repeat(40_000))), "characters");
    refused(Map.of("anyOf", Collections.nCopies(257, true)), "more than 256");
    refused(Map.of("enum", List.of(Double.POSITIVE_INFINITY)), "too large");
    refused(Map.of("const", Map.of("a", List.of("\ud800"))), "surrogate");
    refused(Map.of("properties", Map.of("\udc00", Map.of())), "surrogate");
    assertThrows(InvalidArgumentException.class, () -> PlainJson.parse("1e400"));
    Map<String, Object> schema = new HashMap<>();
    schema.put("const", new Object());
    refused(schema, "no plain value");
  }

  @Test
  void endlessSchemasAreRefused() {
    refused("{'$ref':'#'}", "endless");
    refused("{'anyOf':[{'$ref':'#'},{'type':'null'}]}", "endless");
    refused("{'type':'object','properties':{'a':{'$ref':'#'}},'required':['a']}", "endless");
    refused("{'type':'array','items':{'$ref':'#'},'minItems':1}", "endless");
    refused(
        "{'$ref':'#/$defs/a','$defs':{'a':{'$ref':'#/$defs/b'},'b':{'$ref':'#/$defs/a'}}}",
        "endless");
    StringBuilder deep = new StringBuilder("{'type':'string'}");
    for (int i = 0; i < 40; i++) {
      deep.insert(0, "{'type':'array','minItems':1,'items':").append("}");
    }
    assertDoesNotThrow(() -> Grammar.schema(map(deep.toString())));
    for (int i = 0; i < 25; i++) {
      deep.insert(0, "{'type':'array','minItems':1,'items':").append("}");
    }
    refused(deep.toString(), "nested");
    StringBuilder chain = new StringBuilder("{'$ref':'#/$defs/d0','$defs':{");
    StringBuilder objects = new StringBuilder(chain);
    StringBuilder backwards = new StringBuilder("{'anyOf':[");
    for (int i = 0; i < 4000; i++) {
      chain.append("'d" + i + "':{'$ref':'#/$defs/d" + (i + 1) + "'},");
      objects.append(
          "'d" + i + "':{'type':'object','properties':{'a':{'$ref':'#/$defs/d" + (i + 1) + "'}}},");
      backwards.append(i % 200 == 0 ? "{'anyOf':[" : ",");
      backwards.append("{'$ref':'#/$defs/d" + (4000 - i) + "'}" + (i % 200 == 199 ? "]}," : ""));
    }
    String last = "'d4000':{'type':'integer'}}}";
    refused(chain + last, "nested more than", "references");
    refused(objects + last, "nested more than", "references");
    String defs = chain.substring(chain.indexOf("'$defs'")) + last;
    refused(backwards + "{}]," + defs, "references behind each other");
    StringBuilder doubling = new StringBuilder("{'$ref':'#/$defs/d0','$defs':{");
    for (int i = 0; i < 40; i++) {
      doubling.append(
          "'d"
              + i
              + "':{'type':'array','minItems':1,'items':{'$ref':'#/$defs/d"
              + (i + 1)
              + "'}},");
    }
    assertDoesNotThrow(
        () -> Grammar.schema(map(doubling + "'d40':{'anyOf':[{'type':'null'},{}]}}}")));
  }

  /** Given a thread with hardly a stack, then a schema is read or refused, and never an error. */
  @Test
  void aShortStackIsNoError() throws Exception {
    StringBuilder nested = new StringBuilder("{'type':'string'}");
    for (int i = 0; i < 60; i++) {
      nested.insert(0, "{'type':'array','items':").append("}");
    }
    Map<String, Object> schema = map(nested.toString());
    for (int size = 1 << 14; size <= 1 << 20; size *= 2) {
      AtomicReference<Throwable> thrown = new AtomicReference<>();
      Thread thread = new Thread(null, () -> Grammar.schema(schema), "short", size);
      thread.setUncaughtExceptionHandler((_, e) -> thrown.set(e));
      thread.start();
      thread.join();
      if (thrown.get() != null) {
        assertInstanceOf(InvalidArgumentException.class, thrown.get());
      }
    }
  }

  @Test
  void descriptionsAreSkipped() {
    assertDoesNotThrow(
        () ->
            Grammar.schema(
                map(
                    "{'$schema':'x','title':'t','description':'d','type':'object','properties':"
                        + "{'at':{'type':'string','format':'date-time','examples':['x'],"
                        + "'default':'y'},'n':{'type':'integer','nullable':true}}}")));
  }
}
