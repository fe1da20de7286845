package io.mla4j.engine.chat;

import io.mla4j.InvalidArgumentException;
import io.mla4j.engine.json.PlainJson;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What stands between the markers of a tool call. */
sealed interface CallBody {
  /** What may be the name of a tool. */
  Pattern NAME = Pattern.compile("[^\\s<>{}\"|]+");

  /**
   * A call.
   *
   * @param id null where the model gives none
   * @param arguments a JSON object
   */
  record Call(String id, String name, String arguments) {}

  /**
   * The calls in a text.
   *
   * @param tools those that there are
   * @return none where it is malformed
   */
  List<Call> parse(String text, List<Tool> tools);

  /** A JSON object, as text; empty where it is none. */
  private static Optional<String> object(String text) {
    String json = text.strip();
    return value(json).filter(Map.class::isInstance).map(_ -> json);
  }

  private static Optional<Object> value(String text) {
    try {
      return Optional.ofNullable(PlainJson.parse(text));
    } catch (InvalidArgumentException e) {
      return Optional.empty();
    }
  }

  private static List<Call> single(String id, String name, Optional<String> arguments) {
    return arguments.isEmpty() || !NAME.matcher(name.strip()).matches()
        ? List.of()
        : List.of(new Call(id, name.strip(), arguments.get()));
  }

  /** An object with name and arguments. */
  record Json() implements CallBody {
    @Override
    public List<Call> parse(String text, List<Tool> tools) {
      if (!(value(text.strip()).orElse(null) instanceof Map<?, ?> map)
          || !(map.get("name") instanceof String name)) {
        return List.of();
      }
      Object stated = map.containsKey("arguments") ? map.get("arguments") : map.get("parameters");
      Optional<String> arguments =
          switch (stated) {
            case null -> Optional.of("{}");
            case String quoted -> object(quoted);
            case Map<?, ?> object -> Optional.of(PlainJson.write(object));
            default -> Optional.empty();
          };
      return single(null, name, arguments);
    }
  }

  /**
   * A name and arguments, as DeepSeek V3.1 writes them; before it {@code function} and a separator,
   * and the arguments in a block of code, as V3 and R1 do.
   */
  record Separated(String separator) implements CallBody {
    private static final Pattern CODE =
        Pattern.compile("(.*?)\\s*```(?:json)?\\s*(.*?)\\s*```\\s*", Pattern.DOTALL);

    @Override
    public List<Call> parse(String text, List<Tool> tools) {
      int at = text.indexOf(separator);
      if (at < 0) {
        return List.of();
      }
      String before = text.substring(0, at);
      String behind = text.substring(at + separator.length());
      Matcher code = CODE.matcher(behind);
      return before.strip().equals("function") && code.matches()
          ? single(null, code.group(1), object(code.group(2)))
          : single(null, before, object(behind));
    }
  }

  /** An id that has the name in it, and arguments, as Kimi K2 writes them. */
  record Numbered(String separator) implements CallBody {
    private static final Pattern ID = Pattern.compile("(?:functions\\.)?(.+?)(?::\\d+)?");

    @Override
    public List<Call> parse(String text, List<Tool> tools) {
      int at = text.indexOf(separator);
      if (at < 0) {
        return List.of();
      }
      String id = text.substring(0, at).strip();
      Matcher name = ID.matcher(id);
      return name.matches()
          ? single(id, name.group(1), object(text.substring(at + separator.length())))
          : List.of();
    }
  }

  /** A name and pairs of keys and values, as GLM-4.5 and its successors write them. */
  record Pairs() implements CallBody {
    private static final Pattern PAIR =
        Pattern.compile(
            "\\s*<arg_key>(.*?)</arg_key>\\s*<arg_value>(.*?)</arg_value>\\s*", Pattern.DOTALL);

    @Override
    public List<Call> parse(String text, List<Tool> tools) {
      int end = text.indexOf("<arg_key>");
      String name = (end < 0 ? text : text.substring(0, end)).strip();
      if (name.isEmpty() || name.indexOf('\n') >= 0) {
        return List.of();
      }
      Map<String, Object> arguments = new LinkedHashMap<>();
      Matcher pair = PAIR.matcher(text);
      int at = end < 0 ? text.length() : end;
      while (at < text.length()) {
        if (!pair.region(at, text.length()).lookingAt()) {
          return List.of();
        }
        String key = pair.group(1).strip();
        arguments.put(key, Arguments.value(tools, name, key, pair.group(2)));
        at = pair.end();
      }
      return single(null, name, Optional.of(PlainJson.write(arguments)));
    }
  }

  /** An attribute with the name, and parameters, as DeepSeek V3.2 writes them. */
  record Invocation() implements CallBody {
    private static final Pattern ATTRIBUTE = Pattern.compile("\\s*name=\"([^\"]*)\"\\s*>\\s*");
    private static final Pattern PARAMETER =
        Pattern.compile(
            "<｜DSML｜parameter name=\"([^\"]*)\"(?: string=\"(true|false)\")?\\s*>(.*?)"
                + "</｜DSML｜parameter>\\s*",
            Pattern.DOTALL);

    @Override
    public List<Call> parse(String text, List<Tool> tools) {
      Matcher name = ATTRIBUTE.matcher(text);
      if (!name.lookingAt()) {
        return List.of();
      }
      Map<String, Object> arguments = new LinkedHashMap<>();
      Matcher parameter = PARAMETER.matcher(text);
      for (int at = name.end(); at < text.length(); at = parameter.end()) {
        if (!parameter.region(at, text.length()).lookingAt()) {
          return List.of();
        }
        String value = parameter.group(3);
        boolean isText = "true".equals(parameter.group(2));
        arguments.put(parameter.group(1), isText ? value : Arguments.json(value));
      }
      return single(null, name.group(1), Optional.of(PlainJson.write(arguments)));
    }
  }

  /** Tags with the name and the keys in them, as Qwen3-Coder and Nemotron 3 write them. */
  record Tags() implements CallBody {
    private static final Pattern FUNCTION =
        Pattern.compile("\\s*<function=([^>]*)>\\s*(.*?)\\s*</function>\\s*", Pattern.DOTALL);
    private static final Pattern PARAMETER =
        Pattern.compile("<parameter=([^>]*)>\n?(.*?)\n?</parameter>\\s*", Pattern.DOTALL);

    @Override
    public List<Call> parse(String text, List<Tool> tools) {
      Matcher function = FUNCTION.matcher(text);
      if (!function.matches()) {
        return List.of();
      }
      String name = function.group(1).strip();
      String body = function.group(2);
      Map<String, Object> arguments = new LinkedHashMap<>();
      Matcher parameter = PARAMETER.matcher(body);
      for (int at = 0; at < body.length(); at = parameter.end()) {
        if (!parameter.region(at, body.length()).lookingAt()) {
          return List.of();
        }
        String key = parameter.group(1).strip();
        arguments.put(key, Arguments.value(tools, name, key, parameter.group(2)));
      }
      return single(null, name, Optional.of(PlainJson.write(arguments)));
    }
  }

  /** Calls of Python in a block of code, as MiniCPM3 writes them. */
  record Python() implements CallBody {
    private static final Pattern CODE =
        Pattern.compile("\\s*```(?:python)?\\s*(.*?)\\s*```\\s*", Pattern.DOTALL);

    @Override
    public List<Call> parse(String text, List<Tool> tools) {
      Matcher code = CODE.matcher(text);
      return PythonCalls.parse(code.matches() ? code.group(1) : text.strip());
    }
  }
}
