package io.mla4j.text.template;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts a template into tokens, with Jinja's rules for white space: a block tag takes the line end
 * after it and the indentation before it along (trim_blocks, lstrip_blocks), a minus all white
 * space on its side, and a plus nothing.
 */
final class Lexer {
  /** What a token is. */
  enum Kind {
    DATA,
    VARIABLE_BEGIN,
    VARIABLE_END,
    BLOCK_BEGIN,
    BLOCK_END,
    NAME,
    STRING,
    INTEGER,
    FLOAT,
    OPERATOR,
    END
  }

  /** A token: its text, unescaped in a string, and the line on which it begins. */
  record Token(Kind kind, String text, int line) {
    boolean is(Kind other, String expected) {
      return kind == other && text.equals(expected);
    }

    boolean isName(String name) {
      return is(Kind.NAME, name);
    }

    boolean isOperator(String operator) {
      return is(Kind.OPERATOR, operator);
    }
  }

  private static final Pattern NUMBER =
      Pattern.compile(
          "(?<float>\\d[\\d_]*(?:\\.\\d[\\d_]*)?[eE][+-]?\\d[\\d_]*|\\d[\\d_]*\\.\\d[\\d_]*)"
              + "|0[xX][\\da-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|\\d[\\d_]*");
  private static final Pattern NAME =
      Pattern.compile("[\\p{L}_][\\p{L}\\p{N}\\p{M}_]*", Pattern.UNICODE_CHARACTER_CLASS);
  private static final Pattern STRING =
      Pattern.compile("'(?:[^'\\\\]|\\\\.)*+'|\"(?:[^\"\\\\]|\\\\.)*+\"", Pattern.DOTALL);
  private static final List<String> OPERATORS =
      List.of(
          "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{",
          "}", ">", "<", "=", ".", ":", "|", ",", ";");
  private static final Pattern RAW =
      Pattern.compile("\\{%([-+]?)\\s*raw\\s*(?:(-%\\}\\s*)|%\\}\\n?)");
  private static final Pattern END_RAW =
      Pattern.compile("\\{%([-+]?)\\s*endraw\\s*(?:\\+%\\}|-%\\}\\s*|%\\}\\n?)");

  private final String template;
  private final String source;
  private final List<Token> tokens = new ArrayList<>();
  private int at;
  private int line = 1;

  /** Whether what was read last ended a line, so that white space may begin one. */
  private boolean startsLine = true;

  private Lexer(String template, String source) {
    this.template = template;
    String lines = source.replace("\r\n", "\n").replace('\r', '\n');
    this.source = lines.endsWith("\n") ? lines.substring(0, lines.length() - 1) : lines;
  }

  static List<Token> read(String template, String source) {
    Lexer lexer = new Lexer(template, source);
    lexer.read();
    return lexer.tokens;
  }

  private void read() {
    while (at < source.length()) {
      int tag = nextTag();
      String data = source.substring(at, tag);
      if (tag == source.length()) {
        add(Kind.DATA, data);
        advance(tag);
        break;
      }
      char kind = source.charAt(tag + 1);
      char sign = tag + 2 < source.length() ? source.charAt(tag + 2) : ' ';
      add(Kind.DATA, before(data, kind, sign));
      advance(tag);
      switch (kind) {
        case '#' -> comment();
        case '%' -> block(sign);
        default -> {
          add(Kind.VARIABLE_BEGIN, "{{");
          advance(at + (sign == '-' || sign == '+' ? 3 : 2));
          expression(Kind.VARIABLE_END, "}}");
        }
      }
    }
    tokens.add(new Token(Kind.END, "the end of the template", line));
  }

  private int nextTag() {
    for (int i = at; i + 1 < source.length(); i++) {
      if (source.charAt(i) == '{' && "{%#".indexOf(source.charAt(i + 1)) >= 0) {
        return i;
      }
    }
    return source.length();
  }

  /** What is left of the text before a tag. */
  private String before(String data, char kind, char sign) {
    if (sign == '-') {
      return Texts.strip(data, null, false, true);
    }
    if (sign == '+' || kind == '{') {
      return data;
    }
    int begin = data.lastIndexOf('\n') + 1;
    boolean isIndentation =
        begin < data.length()
            && (begin > 0 || startsLine)
            && data.substring(begin).codePoints().allMatch(Texts::isSpace);
    return isIndentation ? data.substring(0, begin) : data;
  }

  private void comment() {
    int end = source.indexOf("#}", at + 2);
    if (end < 0) {
      throw error("a comment does not end");
    }
    char sign = end > at + 2 ? source.charAt(end - 1) : ' ';
    advance(afterTag(end + 2, sign));
  }

  private void block(char sign) {
    Matcher raw = RAW.matcher(source).region(at, source.length());
    if (raw.lookingAt()) {
      Matcher end = END_RAW.matcher(source);
      if (!end.find(raw.end())) {
        throw error("a raw block does not end");
      }
      advance(raw.end());
      String text = source.substring(raw.end(), end.start());
      String endSign = end.group(1);
      add(Kind.DATA, before(text, '%', endSign.isEmpty() ? ' ' : endSign.charAt(0)));
      advance(end.end());
      return;
    }
    add(Kind.BLOCK_BEGIN, "{%");
    advance(at + (sign == '-' || sign == '+' ? 3 : 2));
    expression(Kind.BLOCK_END, "%}");
  }

  /** Where text goes on after a tag that ended with {@code sign} before {@code from}. */
  private int afterTag(int from, char sign) {
    int next = from;
    if (sign == '-') {
      while (next < source.length() && Texts.isSpace(source.charAt(next))) {
        next++;
      }
    } else if (sign != '+' && next < source.length() && source.charAt(next) == '\n') {
      next++;
    }
    return next;
  }

  /** Reads the tokens of a tag, to its end. */
  private void expression(Kind end, String close) {
    Deque<Character> open = new ArrayDeque<>();
    while (true) {
      while (at < source.length() && Texts.isSpace(source.charAt(at))) {
        advance(at + 1);
      }
      if (at == source.length()) {
        throw error("a tag does not end with " + close);
      }
      char c = source.charAt(at);
      boolean signed = (c == '-' || c == '+') && source.startsWith(close, at + 1);
      if (open.isEmpty() && (signed || source.startsWith(close, at))) {
        add(end, close);
        int after = at + (signed ? 3 : 2);
        // A variable keeps the line end after it.
        advance(
            end == Kind.BLOCK_END || c == '-' && signed
                ? afterTag(after, signed ? c : ' ')
                : after);
        return;
      }
      token(c, open);
    }
  }

  private void token(char c, Deque<Character> open) {
    if (c == '\'' || c == '"') {
      Matcher string = STRING.matcher(source).region(at, source.length());
      if (!string.lookingAt()) {
        throw error("a string does not end");
      }
      add(Kind.STRING, Texts.unescape(source.substring(at + 1, string.end() - 1)));
      advance(string.end());
      return;
    }
    Matcher number = NUMBER.matcher(source).region(at, source.length());
    if (number.lookingAt()) {
      add(
          number.group("float") == null ? Kind.INTEGER : Kind.FLOAT,
          number.group().replace("_", ""));
      advance(number.end());
      return;
    }
    Matcher name = NAME.matcher(source).region(at, source.length());
    if (name.lookingAt()) {
      add(Kind.NAME, name.group());
      advance(name.end());
      return;
    }
    for (String operator : OPERATORS) {
      if (source.startsWith(operator, at)) {
        balance(operator, open);
        add(Kind.OPERATOR, operator);
        advance(at + operator.length());
        return;
      }
    }
    throw error("unexpected character '" + Character.toString(source.codePointAt(at)) + "'");
  }

  private void balance(String operator, Deque<Character> open) {
    switch (operator) {
      case "(" -> open.push(')');
      case "[" -> open.push(']');
      case "{" -> open.push('}');
      case ")", "]", "}" -> {
        if (open.isEmpty() || open.pop() != operator.charAt(0)) {
          throw error("unexpected '" + operator + "'");
        }
      }
      default -> {}
    }
  }

  private void add(Kind kind, String text) {
    if (kind != Kind.DATA || !text.isEmpty()) {
      tokens.add(new Token(kind, text, line));
    }
  }

  private void advance(int to) {
    for (int i = at; i < to; i++) {
      if (source.charAt(i) == '\n') {
        line++;
      }
    }
    startsLine = to > at ? source.charAt(to - 1) == '\n' : startsLine;
    at = to;
  }

  private TemplateException error(String problem) {
    return new TemplateException(template + ": line " + line + ": " + problem);
  }
}
