package io.mla4j.engine.chat;

import io.mla4j.engine.json.PlainJson;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Reads calls as Python writes them, {@code f(a=1, b='x', c=[True, None])}, or a list of them. */
final class PythonCalls {
  private static final int MOST_NESTED = 64;

  private final String text;
  private int at;

  private PythonCalls(String text) {
    this.text = text;
  }

  /** What it is thrown for is no call. */
  private static final class Malformed extends Exception {
    private static final long serialVersionUID = 1L;

    Malformed() {
      super(null, null, false, false);
    }
  }

  /** Calls one after the other; none where one of them is malformed. */
  static List<CallBody.Call> parse(String text) {
    try {
      return new PythonCalls(text).calls();
    } catch (Malformed e) {
      return List.of();
    }
  }

  private List<CallBody.Call> calls() throws Malformed {
    List<CallBody.Call> calls = new ArrayList<>();
    skip();
    boolean inList = accept('[');
    while (at < text.length() && !(inList && accept(']'))) {
      String name = word();
      expect('(');
      Map<String, Object> arguments = new LinkedHashMap<>();
      while (!accept(')')) {
        String key = word();
        expect('=');
        arguments.put(key, value(0));
        if (!accept(',')) {
          expect(')');
          break;
        }
      }
      calls.add(new CallBody.Call(name, PlainJson.write(arguments)));
      if (!accept(';')) {
        accept(',');
      }
    }
    return calls;
  }

  private void skip() {
    while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
      at++;
    }
  }

  private boolean accept(char c) {
    skip();
    boolean is = at < text.length() && text.charAt(at) == c;
    at += is ? 1 : 0;
    if (is) {
      skip();
    }
    return is;
  }

  private void expect(char c) throws Malformed {
    if (!accept(c)) {
      throw new Malformed();
    }
  }

  private String word() throws Malformed {
    skip();
    int from = at;
    while (at < text.length()
        && (Character.isLetterOrDigit(text.charAt(at)) || "_.-+".indexOf(text.charAt(at)) >= 0)) {
      at++;
    }
    if (at == from) {
      throw new Malformed();
    }
    return text.substring(from, at);
  }

  private @Nullable Object value(int depth) throws Malformed {
    skip();
    if (at == text.length() || depth > MOST_NESTED) {
      throw new Malformed();
    }
    char c = text.charAt(at);
    return switch (c) {
      case '"', '\'' -> string();
      case '[', '(' -> items(c == '[' ? ']' : ')', depth);
      case '{' -> entries(depth);
      default -> constant(word());
    };
  }

  private List<Object> items(char close, int depth) throws Malformed {
    at++;
    List<Object> items = new ArrayList<>();
    while (!accept(close)) {
      items.add(value(depth + 1));
      if (!accept(',')) {
        expect(close);
        break;
      }
    }
    return items;
  }

  private Map<String, Object> entries(int depth) throws Malformed {
    at++;
    Map<String, Object> entries = new LinkedHashMap<>();
    while (!accept('}')) {
      Object key = value(depth + 1);
      expect(':');
      entries.put(String.valueOf(key), value(depth + 1));
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    return entries;
  }

  private static @Nullable Object constant(String word) throws Malformed {
    return switch (word) {
      case "True", "true" -> true;
      case "False", "false" -> false;
      case "None", "null" -> null;
      default -> {
        try {
          if (word.matches("[-+]?\\d{1,18}")) {
            yield Long.valueOf(word);
          }
          double number = Double.parseDouble(word);
          if (Double.isFinite(number)) {
            yield number;
          }
          throw new Malformed();
        } catch (NumberFormatException e) {
          throw new Malformed();
        }
      }
    };
  }

  private String string() throws Malformed {
    char quote = text.charAt(at++);
    StringBuilder out = new StringBuilder();
    while (at < text.length()) {
      char c = text.charAt(at++);
      if (c == quote) {
        return out.toString();
      }
      if (c == '\\' && at < text.length()) {
        char escape = text.charAt(at++);
        switch (escape) {
          case 'n' -> out.append('\n');
          case 't' -> out.append('\t');
          case 'r' -> out.append('\r');
          case 'u' -> out.append(hex());
          case '\n' -> {}
          case '\\', '\'', '"' -> out.append(escape);
          default -> out.append('\\').append(escape);
        }
      } else {
        out.append(c);
      }
    }
    throw new Malformed();
  }

  private char hex() throws Malformed {
    try {
      int code = Integer.parseInt(text, at, at + 4, 16);
      at += 4;
      return (char) code;
    } catch (NumberFormatException | IndexOutOfBoundsException e) {
      throw new Malformed();
    }
  }
}
