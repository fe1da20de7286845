package io.mla4j.text.template;

import io.mla4j.text.template.Expression.CallArguments;
import io.mla4j.text.template.Lexer.Kind;
import io.mla4j.text.template.Lexer.Token;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Expressions out of tokens, with Jinja's precedence. */
class ExpressionParser {
  private static final int MOST_NESTED = 100;
  private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");

  private final String template;
  private final List<Token> tokens;
  private int at;
  private int nested;

  ExpressionParser(String template, List<Token> tokens) {
    this.template = template;
    this.tokens = tokens;
  }

  final Token current() {
    return tokens.get(at);
  }

  final Token next() {
    Token token = tokens.get(at);
    if (token.kind() != Kind.END) {
      at++;
    }
    return token;
  }

  final boolean skipOperator(String operator) {
    boolean found = current().isOperator(operator);
    at += found ? 1 : 0;
    return found;
  }

  final boolean skipName(String name) {
    boolean found = current().isName(name);
    at += found ? 1 : 0;
    return found;
  }

  final void expectOperator(String operator) {
    if (!skipOperator(operator)) {
      throw unexpected("'" + operator + "'");
    }
  }

  final String expectName() {
    if (current().kind() != Kind.NAME) {
      throw unexpected("a name");
    }
    return next().text();
  }

  final TemplateException unexpected(String expected) {
    return error("expected " + expected + ", but there is '" + current().text() + "'");
  }

  final TemplateException error(String problem) {
    return new TemplateException(
        template
            + ": line "
            + current().line()
            + ": "
            + problem.replaceAll("\\s*[\\r\\n]+\\s*", " "));
  }

  /** Counts how deep brackets, tags and signs stand in each other. */
  final void enter() {
    if (++nested > MOST_NESTED) {
      throw error("it is nested more than " + MOST_NESTED);
    }
  }

  final void leave() {
    nested--;
  }

  /** An expression with {@code a if b else c}. */
  final Expression expression() {
    enter();
    Expression value = or();
    while (skipName("if")) {
      Expression condition = or();
      value = new Expression.Conditional(condition, value, skipName("else") ? expression() : null);
    }
    leave();
    return value;
  }

  /** Expressions with commas between them are a tuple. */
  final Expression tuple(boolean withConditional) {
    List<Expression> items = new ArrayList<>();
    boolean comma = false;
    while (!endsTuple()) {
      items.add(withConditional ? expression() : or());
      if (!skipOperator(",")) {
        break;
      }
      comma = true;
    }
    if (items.size() == 1 && !comma) {
      return items.getFirst();
    }
    if (items.isEmpty() && !current().isOperator(")")) {
      throw unexpected("an expression");
    }
    return new Expression.Items(items, true);
  }

  private boolean endsTuple() {
    Kind kind = current().kind();
    return kind == Kind.VARIABLE_END || kind == Kind.BLOCK_END || current().isOperator(")");
  }

  final Expression or() {
    Expression left = and();
    while (skipName("or")) {
      left = new Expression.Logic(false, left, and());
    }
    return left;
  }

  private Expression and() {
    Expression left = not();
    while (skipName("and")) {
      left = new Expression.Logic(true, left, not());
    }
    return left;
  }

  private Expression not() {
    if (!skipName("not")) {
      return comparison();
    }
    enter();
    Expression value = new Expression.Not(not());
    leave();
    return value;
  }

  private Expression comparison() {
    Expression first = sum();
    List<String> operators = new ArrayList<>();
    List<Expression> others = new ArrayList<>();
    while (true) {
      if (current().kind() == Kind.OPERATOR && COMPARISONS.contains(current().text())) {
        operators.add(next().text());
      } else if (skipName("in")) {
        operators.add("in");
      } else if (current().isName("not") && tokens.get(at + 1).isName("in")) {
        at += 2;
        operators.add("not in");
      } else {
        break;
      }
      others.add(sum());
    }
    return others.isEmpty() ? first : new Expression.Comparison(first, operators, others);
  }

  private Expression sum() {
    Expression left = concatenation();
    while (current().isOperator("+") || current().isOperator("-")) {
      left = new Expression.Binary(next().text(), left, concatenation());
    }
    return left;
  }

  private Expression concatenation() {
    List<Expression> parts = new ArrayList<>(List.of(product()));
    while (skipOperator("~")) {
      parts.add(product());
    }
    return parts.size() == 1 ? parts.getFirst() : new Expression.Concatenation(parts);
  }

  private Expression product() {
    Expression left = power();
    while (current().kind() == Kind.OPERATOR
        && List.of("*", "/", "//", "%").contains(current().text())) {
      left = new Expression.Binary(next().text(), left, power());
    }
    return left;
  }

  private Expression power() {
    Expression left = signed(true);
    while (skipOperator("**")) {
      left = new Expression.Binary("**", left, signed(true));
    }
    return left;
  }

  private Expression signed(boolean withFilters) {
    enter();
    Expression value;
    if (current().isOperator("-") || current().isOperator("+")) {
      value = new Expression.Sign(next().text().equals("-"), signed(false));
    } else {
      value = primary();
    }
    value = postfix(value);
    value = withFilters ? filtersAndTests(value) : value;
    leave();
    return value;
  }

  private Expression primary() {
    Token token = current();
    switch (token.kind()) {
      case NAME -> {
        at++;
        return switch (token.text()) {
          case "true", "True" -> new Expression.Constant(true);
          case "false", "False" -> new Expression.Constant(false);
          case "none", "None" -> new Expression.Constant(null);
          default -> new Expression.Name(token.text());
        };
      }
      case STRING -> {
        StringBuilder text = new StringBuilder();
        while (current().kind() == Kind.STRING) {
          text.append(next().text());
        }
        return new Expression.Constant(text.toString());
      }
      case INTEGER -> {
        return new Expression.Constant(integer(next().text()));
      }
      case FLOAT -> {
        return new Expression.Constant(Double.parseDouble(next().text()));
      }
      default -> {
        return brackets();
      }
    }
  }

  private Object integer(String text) {
    int radix =
        switch (text.length() < 2 ? ' ' : Character.toLowerCase(text.charAt(1))) {
          case 'x' -> 16;
          case 'o' -> 8;
          case 'b' -> 2;
          default -> 10;
        };
    if (text.length() > 400) {
      throw error("a number has " + text.length() + " digits");
    }
    BigInteger number = new BigInteger(radix == 10 ? text : text.substring(2), radix);
    return number.bitLength() < 64 ? (Object) number.longValue() : number;
  }

  private Expression brackets() {
    if (skipOperator("(")) {
      Expression value = tuple(true);
      expectOperator(")");
      return value;
    }
    if (skipOperator("[")) {
      List<Expression> items = new ArrayList<>();
      while (!skipOperator("]")) {
        items.add(expression());
        if (!current().isOperator("]")) {
          expectOperator(",");
        }
      }
      return new Expression.Items(items, false);
    }
    if (skipOperator("{")) {
      Map<Expression, Expression> entries = new LinkedHashMap<>();
      while (!skipOperator("}")) {
        Expression key = expression();
        expectOperator(":");
        entries.put(key, expression());
        if (!current().isOperator("}")) {
          expectOperator(",");
        }
      }
      return new Expression.Entries(entries);
    }
    throw unexpected("an expression");
  }

  /** Attributes, items and calls behind a value. */
  final Expression postfix(Expression of) {
    Expression value = of;
    while (true) {
      if (skipOperator(".")) {
        Token name = next();
        value =
            switch (name.kind()) {
              case NAME -> new Expression.Attribute(value, name.text());
              case INTEGER ->
                  new Expression.Item(value, new Expression.Constant(integer(name.text())));
              default -> {
                at--;
                throw unexpected("a name");
              }
            };
      } else if (skipOperator("[")) {
        value = subscript(value);
      } else if (skipOperator("(")) {
        value = new Expression.Call(value, arguments());
      } else {
        return value;
      }
    }
  }

  private Expression subscript(Expression of) {
    Expression[] parts = new Expression[3];
    int part = 0;
    while (!current().isOperator("]")) {
      if (skipOperator(":")) {
        part++;
      } else if (part < 3 && parts[part] == null) {
        parts[part] = expression();
      } else {
        throw unexpected("']'");
      }
    }
    expectOperator("]");
    if (part == 0 && parts[0] == null || part > 2) {
      throw error("a subscript needs one index, or up to three with colons");
    }
    return part == 0
        ? new Expression.Item(of, parts[0])
        : new Expression.Slice(of, parts[0], parts[1], parts[2]);
  }

  /** What stands in the parentheses of a call, and the second of them. */
  final CallArguments arguments() {
    List<Expression> places = new ArrayList<>();
    Map<String, Expression> names = new LinkedHashMap<>();
    Expression more = null;
    Expression named = null;
    while (!skipOperator(")")) {
      if (skipOperator("**")) {
        named = expression();
      } else if (skipOperator("*")) {
        more = expression();
      } else if (current().kind() == Kind.NAME && tokens.get(at + 1).isOperator("=")) {
        String name = next().text();
        at++;
        names.put(name, expression());
      } else if (names.isEmpty()) {
        places.add(expression());
      } else {
        throw unexpected("a named argument");
      }
      if (!current().isOperator(")")) {
        expectOperator(",");
      }
    }
    return new CallArguments(places, names, more, named);
  }

  private Expression filtersAndTests(Expression of) {
    Expression value = of;
    while (true) {
      if (current().isOperator("|")) {
        value = filters(value);
      } else if (skipName("is")) {
        value = test(value);
      } else if (skipOperator("(")) {
        value = new Expression.Call(value, arguments());
      } else {
        return value;
      }
    }
  }

  /** The filters that come now. */
  final Expression filters(Expression of) {
    Expression value = of;
    while (skipOperator("|")) {
      value = filter(value);
    }
    return value;
  }

  /** One filter, by its name. */
  final Expression filter(Expression of) {
    String name = dotted();
    return new Expression.Filter(of, name, skipOperator("(") ? arguments() : CallArguments.NONE);
  }

  private String dotted() {
    StringBuilder name = new StringBuilder(expectName());
    while (skipOperator(".")) {
      name.append('.').append(expectName());
    }
    return name.toString();
  }

  private Expression test(Expression value) {
    boolean not = skipName("not");
    String name = dotted();
    CallArguments arguments = CallArguments.NONE;
    if (skipOperator("(")) {
      arguments = arguments();
    } else if (beginsArgument()) {
      arguments = new CallArguments(List.of(postfix(primary())), Map.of(), null, null);
    }
    Expression test = new Expression.Test(value, name, arguments);
    return not ? new Expression.Not(test) : test;
  }

  /** A test takes one argument without parentheses. */
  private boolean beginsArgument() {
    return switch (current().kind()) {
      case NAME -> !Set.of("else", "or", "and").contains(current().text());
      case STRING, INTEGER, FLOAT -> true;
      default ->
          current().isOperator("[") || current().isOperator("{") || current().isOperator("(");
    };
  }
}
