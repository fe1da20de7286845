package io.mla4j.engine.chat;

import io.mla4j.InvalidArgumentException;
import io.mla4j.engine.json.PlainJson;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What stands between the markers of a tool call. */
sealed interface CallBody {
  /** What may be the name of a tool. */
  Pattern NAME = Pattern.compile("[^\\s<>{}\"|]+");

  /**
   * A call.
   *
   * @param arguments a JSON object
   */
  record Call(String name, String arguments) {}

  /**
   * The calls in a text that has no {@linkplain #head head}.
   *
   * @param tools those that there are
   * @return none where it is malformed
   */
  default List<Call> parse(String text, List<Tool> tools) {
    return List.of();
  }

  /**
   * How a call begins whose arguments stand in it as a JSON object, so that they can be told while
   * they are written.
   *
   * @param id null where the model gives none
   * @param arguments where their object begins
   */
  record Head(@Nullable String id, String name, int arguments) {}

  /**
   * The beginning of a call, once a text has all of it.
   *
   * @param text what has come of the call, and of what follows it
   * @return empty too where the arguments are no JSON object as it is
   */
  default Optional<Head> head(CharSequence text) {
    return Optional.empty();
  }

  /** White space before an object that is empty or has a key. */
  Pattern OBJECT = Pattern.compile("\\s*(?=\\{\\s*[\"}])");

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

  private static List<Call> single(String name, Optional<String> arguments) {
    return arguments.isEmpty() || !NAME.matcher(name.strip()).matches()
        ? List.of()
        : List.of(new Call(name.strip(), arguments.get()));
  }

  private static Optional<Head> named(@Nullable String id, String name, int arguments) {
    return NAME.matcher(name.strip()).matches()
        ? Optional.of(new Head(id, name.strip(), arguments))
        : Optional.empty();
  }

  /** Where the object begins that follows a place; empty where none does. */
  private static Optional<Integer> arguments(String text, int from) {
    Matcher object = OBJECT.matcher(text).region(from, text.length());
    return object.lookingAt() ? Optional.of(object.end()) : Optional.empty();
  }

  /** An object with name and arguments. */
  record Json() implements CallBody {
    private static final Pattern HEAD =
        Pattern.compile(
            "\\s*\\{\\s*\"name\"\\s*:\\s*\"([^\\s<>{}\"|\\\\]+)\"\\s*,"
                + "\\s*\"(?:arguments|parameters)\"\\s*:"
                + OBJECT);

    @Override
    public Optional<Head> head(CharSequence text) {
      Matcher head = HEAD.matcher(text);
      return head.lookingAt()
          ? Optional.of(new Head(null, head.group(1), head.end()))
          : Optional.empty();
    }

    /** One without arguments, or with them in a string or before the name. */
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
      return single(name, arguments);
    }
  }

  /**
   * A name and arguments, as DeepSeek V3.1 writes them; before it {@code function} and a separator,
   * and the arguments in a block of code, as V3 and R1 do.
   */
  record Separated(String separator) implements CallBody {
    private static final Pattern CODE = Pattern.compile("\\s*(.+?)\\s*```(?:json)?" + OBJECT);

    @Override
    public Optional<Head> head(CharSequence text) {
      String all = text.toString();
      int at = all.indexOf(separator);
      if (at < 0) {
        return Optional.empty();
      }
      String before = all.substring(0, at);
      int behind = at + separator.length();
      Optional<Integer> from = arguments(all, behind);
      Matcher code = CODE.matcher(all).region(behind, all.length());
      return from.isEmpty() && before.strip().equals("function") && code.lookingAt()
          ? named(null, code.group(1), code.end())
          : from.flatMap(begin -> named(null, before, begin));
    }
  }

  /** An id that has the name in it, and arguments, as Kimi K2 writes them. */
  record Numbered(String separator) implements CallBody {
    private static final Pattern ID = Pattern.compile("(?:functions\\.)?(.+?)(?::\\d+)?");

    @Override
    public Optional<Head> head(CharSequence text) {
      String all = text.toString();
      int at = all.indexOf(separator);
      Matcher id = ID.matcher(all.substring(0, Math.max(0, at)).strip());
      return id.matches()
          ? arguments(all, at + separator.length())
              .flatMap(from -> named(id.group(), id.group(1), from))
          : Optional.empty();
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
      return single(name, Optional.of(PlainJson.write(arguments)));
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
      return single(name.group(1), Optional.of(PlainJson.write(arguments)));
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
      return single(name, Optional.of(PlainJson.write(arguments)));
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
