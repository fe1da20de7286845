package io.mla4j.text.template;

import io.mla4j.text.template.Lexer.Kind;
import io.mla4j.text.template.Lexer.Token;
import io.mla4j.text.template.Statement.Target;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Statements out of tokens. */
final class Parser extends ExpressionParser {
  /** What reads other files. */
  private static final Set<String> FILES = Set.of("include", "import", "from", "extends");

  private Parser(String template, List<Token> tokens) {
    super(template, tokens);
  }

  static List<Statement> parse(String template, String source) {
    Parser parser = new Parser(template, Lexer.read(template, source));
    List<Statement> statements = parser.statements(Set.of());
    if (parser.current().kind() != Kind.END) {
      throw parser.unexpected("the end of the template");
    }
    return statements;
  }

  /** Statements up to a tag that begins with one of {@code ends}, whose name is next then. */
  private List<Statement> statements(Set<String> ends) {
    enter();
    List<Statement> statements = new ArrayList<>();
    while (current().kind() != Kind.END) {
      Token token = next();
      switch (token.kind()) {
        case DATA -> statements.add(new Statement.Data(token.line(), token.text()));
        case VARIABLE_BEGIN -> {
          statements.add(new Statement.Output(token.line(), tuple(true)));
          expect(Kind.VARIABLE_END, "'}}'");
        }
        default -> {
          if (ends.contains(current().text())) {
            leave();
            return statements;
          }
          statements.add(statement(token.line()));
        }
      }
    }
    if (!ends.isEmpty()) {
      throw unexpected("the tag " + String.join(" or ", ends.stream().sorted().toList()));
    }
    leave();
    return statements;
  }

  /** The body of a tag, whose own end is next. */
  private List<Statement> body(String... ends) {
    endTag();
    return statements(Set.of(ends));
  }

  private List<Statement> lastBody(String end) {
    List<Statement> body = body(end);
    next();
    endTag();
    return body;
  }

  private void endTag() {
    expect(Kind.BLOCK_END, "'%}'");
  }

  private void expect(Kind kind, String what) {
    if (current().kind() != kind) {
      throw unexpected(what);
    }
    next();
  }

  private Statement statement(int line) {
    String tag = expectName();
    return switch (tag) {
      case "if" -> condition(line);
      case "for" -> loop(line);
      case "set" -> set(line);
      case "macro" -> macro(line);
      case "call" -> call(line);
      case "filter" -> {
        List<Statement> body = new ArrayList<>();
        Expression value = filters(filter(new Expression.Block(body)));
        body.addAll(lastBody("endfilter"));
        yield new Statement.Output(line, value);
      }
      case "with" -> with(line);
      case "generation" ->
          new Statement.Inner(line, List.of(), List.of(), lastBody("endgeneration"));
      case "break", "continue" -> {
        endTag();
        yield new Statement.Leave(
            line, tag.equals("break") ? Statement.Next.BREAK : Statement.Next.CONTINUE);
      }
      default ->
          throw error(
              FILES.contains(tag)
                  ? "'" + tag + "' reads another file, which a chat template may not"
                  : "unknown tag '" + tag + "'");
    };
  }

  private Statement condition(int line) {
    List<Expression> conditions = new ArrayList<>();
    List<List<Statement>> bodies = new ArrayList<>();
    while (true) {
      conditions.add(tuple(true));
      bodies.add(body("elif", "else", "endif"));
      String end = next().text();
      if (end.equals("else")) {
        conditions.add(new Expression.Constant(true));
        bodies.add(lastBody("endif"));
        break;
      }
      if (end.equals("endif")) {
        endTag();
        break;
      }
    }
    return new Statement.If(line, conditions, bodies);
  }

  private Statement loop(int line) {
    Target target = target();
    if (!skipName("in")) {
      throw unexpected("'in'");
    }
    Expression items = tuple(false);
    Expression condition = skipName("if") ? expression() : null;
    boolean recursive = skipName("recursive");
    List<Statement> body = body("else", "endfor");
    List<Statement> otherwise = List.of();
    if (next().text().equals("else")) {
      otherwise = lastBody("endfor");
    } else {
      endTag();
    }
    return new Statement.For(line, target, items, condition, recursive, body, otherwise);
  }

  private Statement set(int line) {
    Target target = target();
    if (skipOperator("=")) {
      Expression value = tuple(true);
      endTag();
      return new Statement.Set(line, target, value);
    }
    // Filters stand before the body that they change, which is filled in behind them.
    List<Statement> body = new ArrayList<>();
    Expression value = filters(new Expression.Block(body));
    body.addAll(lastBody("endset"));
    return new Statement.Set(line, target, value);
  }

  private Target target() {
    List<Target> targets = new ArrayList<>();
    boolean several = skipOperator("(");
    boolean parentheses = several;
    while (true) {
      String name = expectName();
      targets.add(
          skipOperator(".") ? new Target.Member(name, expectName()) : new Target.Name(name));
      if (!skipOperator(",")) {
        break;
      }
      several = true;
      if (current().kind() != Kind.NAME || current().isName("in")) {
        break;
      }
    }
    if (parentheses) {
      expectOperator(")");
    }
    return several ? new Target.Several(targets) : targets.getFirst();
  }

  private Statement.Define macro(int line) {
    String name = expectName();
    expectOperator("(");
    return signature(line, name).with(lastBody("endmacro"));
  }

  /** A macro without its body. */
  private Statement.Define signature(int line, String name) {
    List<String> parameters = new ArrayList<>();
    List<Expression> defaults = new ArrayList<>();
    while (!skipOperator(")")) {
      parameters.add(expectName());
      if (skipOperator("=")) {
        defaults.add(expression());
      } else if (!defaults.isEmpty()) {
        throw error("a parameter without default follows one with a default");
      }
      if (!current().isOperator(")")) {
        expectOperator(",");
      }
    }
    return new Statement.Define(line, name, parameters, defaults, List.of());
  }

  private Statement call(int line) {
    Statement.Define signature =
        skipOperator("(")
            ? signature(line, "caller")
            : new Statement.Define(line, "caller", List.of(), List.of(), List.of());
    if (!(expression() instanceof Expression.Call call)) {
      throw error("expected a call");
    }
    return new Statement.CallBlock(line, call, signature.with(lastBody("endcall")));
  }

  private Statement with(int line) {
    List<Target> targets = new ArrayList<>();
    List<Expression> values = new ArrayList<>();
    while (current().kind() != Kind.BLOCK_END) {
      targets.add(new Target.Name(expectName()));
      expectOperator("=");
      values.add(expression());
      if (!skipOperator(",")) {
        break;
      }
    }
    return new Statement.Inner(line, targets, values, lastBody("endwith"));
  }
}
