import module java.base;

import com.sun.source.tree.*;
import com.sun.source.tree.Tree.Kind;
import com.sun.source.util.JavacTask;
import com.sun.source.util.SourcePositions;
import com.sun.source.util.TreeScanner;
import com.sun.source.util.Trees;
import javax.lang.model.element.Modifier;
import javax.tools.ToolProvider;

/**
 * Writes a template's tiles out as straight lines: {@code java Unroll.java TEMPLATE FOLDER}.
 *
 * <p>C2 keeps a vector in a register only where it is a local variable of one method. So tiles are
 * written as Java with arrays of vectors and loops over them, and this program turns them into what
 * C2 needs. A template is a class whose static field {@code TILES} lists instances of its nested
 * records. For each of them {@code run} of its record becomes a static method, in which
 *
 * <ul>
 *   <li>the record's components, {@code final} locals and enum constants are constants;
 *   <li>loops over constants are unrolled, choices by constants are made, and {@code + 0} and
 *       {@code * 1} are left out;
 *   <li>arrays made with {@code new} are as many local variables;
 *   <li>calls of the template's own methods, which return one expression, are that expression;
 *   <li>parameters that nothing uses are left out.
 * </ul>
 *
 * <p>Everything else stays as it is.
 */
public final class Unroll {
  private final CompilationUnitTree file;
  private final SourcePositions positions;
  private final String source;
  private final Map<String, ClassTree> records = new HashMap<>();
  private final Map<String, MethodTree> methods = new HashMap<>();

  /** What names stand for at first; then constants, {@link Variables} and {@link Argument}s too. */
  private final Map<String, Object> enumConstants = new HashMap<>();

  private final StringBuilder out = new StringBuilder();
  private int depth = 2;

  /** A constant with methods of its own. */
  private record EnumConstant(String name, Map<String, MethodTree> methods) {
    @Override
    public String toString() {
      return name;
    }
  }

  /** An array that is written out as variables. */
  private record Variables(List<Integer> sizes) {}

  /** What an argument of a method that is written out stands for. */
  private record Argument(String text) {}

  private Unroll(CompilationUnitTree file, SourcePositions positions, String source) {
    this.file = file;
    this.positions = positions;
    this.source = source;
  }

  /** Writes the template's class into its package's folder, unless it stands there already. */
  public static void main(String[] args) throws IOException {
    Path template = Path.of(args[0]);
    var compiler = ToolProvider.getSystemJavaCompiler();
    var files = compiler.getStandardFileManager(null, null, null);
    var sources = files.getJavaFileObjects(template);
    var task = (JavacTask) compiler.getTask(null, files, null, null, null, sources);
    CompilationUnitTree file = task.parse().iterator().next();
    var positions = Trees.instance(task).getSourcePositions();
    try {
      String text = new Unroll(file, positions, Files.readString(template)).unroll();
      Path folder = Path.of(args[1], file.getPackageName().toString().split("\\."));
      Path to = folder.resolve(template.getFileName());
      if (!Files.exists(to) || !Files.readString(to).equals(text)) {
        Files.createDirectories(folder);
        Files.writeString(to, text);
      }
    } catch (IllegalArgumentException e) {
      System.err.println(e.getMessage());
      System.exit(1);
    }
  }

  private String unroll() {
    ClassTree template = (ClassTree) file.getTypeDecls().getFirst();
    List<? extends ExpressionTree> tiles = List.of();
    for (Tree member : template.getMembers()) {
      switch (member) {
        case ClassTree type when type.getKind() == Kind.RECORD ->
            records.put(type.getSimpleName().toString(), type);
        case ClassTree type when type.getKind() == Kind.ENUM -> readEnum(type);
        case MethodTree method -> methods.put(method.getName().toString(), method);
        case VariableTree field when field.getName().contentEquals("TILES") ->
            tiles = ((MethodInvocationTree) field.getInitializer()).getArguments();
        default -> throw error(member, "a template has TILES, records, enums and methods alone");
      }
    }
    tiles.forEach(tile -> write((NewClassTree) tile));
    String name = template.getSimpleName().toString();
    String own = file.getPackageName() + "." + name + ".";
    String imports =
        file.getImports().stream()
            .filter(i -> !i.getQualifiedIdentifier().toString().startsWith(own))
            .filter(i -> uses(((MemberSelectTree) i.getQualifiedIdentifier()).getIdentifier()))
            .map(i -> i.toString().strip() + "\n")
            .collect(Collectors.joining());
    return """
    package %s;

    %s
    /** Written by Unroll from the template of the same name, which says what the tiles do. */
    final class %s {
      private %s() {}
    %s}
    """
        .formatted(file.getPackageName(), imports, name, name, out);
  }

  private void readEnum(ClassTree type) {
    for (Tree member : type.getMembers()) {
      if (member instanceof VariableTree constant
          && constant.getInitializer() instanceof NewClassTree made) {
        Map<String, MethodTree> own = new HashMap<>();
        for (Tree inner :
            made.getClassBody() == null ? List.<Tree>of() : parts(made.getClassBody())) {
          if (inner instanceof MethodTree method) {
            own.put(method.getName().toString(), method);
          }
        }
        String name = constant.getName().toString();
        enumConstants.put(name, new EnumConstant(name, own));
      }
    }
  }

  private boolean uses(CharSequence name) {
    return Pattern.compile("\\b" + name + "\\b").matcher(out).find();
  }

  /** One tile: {@code new Record(constants)}. */
  private void write(NewClassTree tile) {
    String recordName = tile.getIdentifier().toString();
    MethodTree run = null;
    Map<String, Object> constants = new LinkedHashMap<>();
    for (Tree member : records.get(recordName).getMembers()) {
      if (member instanceof VariableTree component) {
        ExpressionTree argument = tile.getArguments().get(constants.size());
        Object value = constant(argument, new HashMap<>(enumConstants));
        constants.put(component.getName().toString(), value);
      } else if (member instanceof MethodTree method && method.getName().contentEquals("run")) {
        run = method;
      }
    }
    String before = out.toString();
    out.setLength(0);
    Map<String, Object> scope = new HashMap<>(enumConstants);
    scope.putAll(constants);
    writeAll(run.getBody(), scope);
    String body = out.toString();
    String parameters =
        run.getParameters().stream()
            .filter(p -> uses(p.getName()))
            .map(p -> p.getType() + " " + p.getName())
            .collect(Collectors.joining(", "));
    out.setLength(0);
    out.append(before).append("\n  /** ").append(recordName).append(": ").append(constants);
    out.append(". */\n  static void ").append(name(recordName, constants));
    out.append('(').append(parameters).append(") {\n").append(body).append("  }\n");
  }

  /** RowsInLanes of 12, 2 and BF16: rowsInLanes12x2Bf16. */
  private static String name(String recordName, Map<String, Object> constants) {
    StringBuilder name = new StringBuilder(recordName);
    name.setCharAt(0, Character.toLowerCase(recordName.charAt(0)));
    constants.forEach(
        (component, value) -> {
          if (value instanceof Integer) {
            name.append(Character.isDigit(name.charAt(name.length() - 1)) ? "x" : "").append(value);
          } else if (!value.equals(false)) {
            String word =
                value.equals(true) ? component : value.toString().toLowerCase(Locale.ROOT);
            name.append(Character.toUpperCase(word.charAt(0))).append(word.substring(1));
          }
        });
    return name.toString();
  }

  private void line(String text) {
    out.append("  ".repeat(depth)).append(text).append('\n');
  }

  private void writeAll(StatementTree statement, Map<String, Object> outer) {
    Map<String, Object> scope = new HashMap<>(outer);
    for (StatementTree s :
        statement instanceof BlockTree block ? block.getStatements() : List.of(statement)) {
      switch (s) {
        case VariableTree variable -> declare(variable, scope);
        case ForLoopTree loop -> writeLoop(loop, scope);
        case IfTree choice when constant(choice.getCondition(), scope).equals(true) ->
            writeAll(choice.getThenStatement(), scope);
        case IfTree choice when choice.getElseStatement() != null ->
            writeAll(choice.getElseStatement(), scope);
        case IfTree _ -> {}
        case ExpressionStatementTree expression -> line(text(expression, scope));
        default -> throw error(s, "a tile cannot have this kind of statement");
      }
    }
  }

  private void declare(VariableTree variable, Map<String, Object> scope) {
    String name = variable.getName().toString();
    if (variable.getInitializer() instanceof NewArrayTree array) {
      List<Integer> sizes = new ArrayList<>();
      array.getDimensions().forEach(size -> sizes.add((Integer) constant(size, scope)));
      scope.put(name, new Variables(sizes));
      if (!sizes.contains(0)) {
        line(array.getType() + " " + String.join(", ", names(name, sizes)) + ";");
      }
    } else if (isConstant(variable)) {
      scope.put(name, constant(variable.getInitializer(), scope));
    } else {
      scope.remove(name);
      line(text(variable, scope));
    }
  }

  private static boolean isConstant(VariableTree variable) {
    return variable.getModifiers().getFlags().contains(Modifier.FINAL);
  }

  private static List<String> names(String name, List<Integer> sizes) {
    List<String> names = List.of(name);
    String between = "";
    for (int size : sizes) {
      List<String> longer = new ArrayList<>();
      for (String prefix : names) {
        for (int i = 0; i < size; i++) {
          longer.add(prefix + between + i);
        }
      }
      names = longer;
      between = "x";
    }
    return names;
  }

  /** Unrolled where its variable begins, ends and steps by constants. */
  private void writeLoop(ForLoopTree loop, Map<String, Object> outer) {
    VariableTree variable = (VariableTree) loop.getInitializer().getFirst();
    String name = variable.getName().toString();
    Map<String, Object> scope = new HashMap<>(outer);
    scope.put(name, value(variable.getInitializer(), scope));
    if (scope.get(name) == null || value(loop.getCondition(), scope) == null) {
      scope.remove(name);
      List<Tree> head = parts(loop);
      head.remove(loop.getStatement());
      line(replace(start(loop), head, start(loop.getStatement()), scope).strip() + " {");
      depth++;
      writeAll(loop.getStatement(), scope);
      depth--;
      line("}");
      return;
    }
    boolean declares =
        parts(loop.getStatement()).stream()
            .anyMatch(s -> s instanceof VariableTree v && !isConstant(v));
    while (value(loop.getCondition(), scope).equals(true)) {
      if (declares) {
        line("{");
        depth++;
      }
      writeAll(loop.getStatement(), scope);
      if (declares) {
        depth--;
        line("}");
      }
      scope.put(name, next(loop.getUpdate().getFirst().getExpression(), scope));
    }
  }

  private Object next(ExpressionTree update, Map<String, Object> scope) {
    return switch (update) {
      case UnaryTree u when u.getKind() == Kind.POSTFIX_INCREMENT ->
          (int) constant(u.getExpression(), scope) + 1;
      case CompoundAssignmentTree c when c.getKind() == Kind.PLUS_ASSIGNMENT ->
          (int) constant(c.getVariable(), scope) + (int) constant(c.getExpression(), scope);
      case CompoundAssignmentTree c when c.getKind() == Kind.MULTIPLY_ASSIGNMENT ->
          (int) constant(c.getVariable(), scope) * (int) constant(c.getExpression(), scope);
      default -> throw error(update, "a loop over constants ends its turns with ++, += or *=");
    };
  }

  /** The value of a constant expression: an Integer, a Boolean or an EnumConstant; else null. */
  private Object value(Tree e, Map<String, Object> scope) {
    return switch (e) {
      case LiteralTree l when l.getValue() instanceof Integer || l.getValue() instanceof Boolean ->
          l.getValue();
      case ParenthesizedTree p -> value(p.getExpression(), scope);
      case IdentifierTree name -> {
        Object value = scope.get(name.getName().toString());
        yield value instanceof Argument || value instanceof Variables ? null : value;
      }
      case ConditionalExpressionTree c when value(c.getCondition(), scope) instanceof Boolean is ->
          value(is ? c.getTrueExpression() : c.getFalseExpression(), scope);
      case BinaryTree b -> {
        Object left = value(b.getLeftOperand(), scope);
        Object right = value(b.getRightOperand(), scope);
        yield left == null || right == null ? null : compute(b, left, right);
      }
      case MethodInvocationTree call when method(call, scope) != null ->
          value(result(call, scope), bind(call, scope));
      case null, default -> null;
    };
  }

  private Object compute(BinaryTree b, Object left, Object right) {
    if (b.getKind() == Kind.EQUAL_TO) {
      return left.equals(right);
    }
    if (left instanceof Integer x && right instanceof Integer y) {
      return switch (b.getKind()) {
        case PLUS -> x + y;
        case MINUS -> x - y;
        case MULTIPLY -> x * y;
        case DIVIDE -> x / y;
        case LESS_THAN -> x < y;
        default -> throw error(b, "this operator is not known for constants");
      };
    }
    throw error(b, "this operator is not known for constants");
  }

  private Object constant(ExpressionTree e, Map<String, Object> scope) {
    Object value = value(e, scope);
    if (value == null) {
      throw error(e, e + " must be a constant");
    }
    return value;
  }

  /** As it stands in the template, but for what stands for something else. */
  private String text(Tree e, Map<String, Object> scope) {
    Object value = e instanceof LiteralTree ? null : value(e, scope);
    if (value != null) {
      return value.toString();
    }
    return switch (e) {
      case IdentifierTree name
          when scope.get(name.getName().toString()) instanceof Argument argument ->
          argument.text;
      case ParenthesizedTree p -> primary(text(p.getExpression(), scope));
      case ConditionalExpressionTree c when value(c.getCondition(), scope) instanceof Boolean is ->
          text(is ? c.getTrueExpression() : c.getFalseExpression(), scope);
      case BinaryTree b -> {
        String left = text(b.getLeftOperand(), scope);
        String right = text(b.getRightOperand(), scope);
        String simple =
            switch (b.getKind()) {
              case PLUS -> left.equals("0") ? right : right.equals("0") ? left : null;
              case MULTIPLY ->
                  left.equals("0") || right.equals("1")
                      ? left
                      : left.equals("1") || right.equals("0") ? right : null;
              case DIVIDE -> right.equals("1") ? left : null;
              default -> null;
            };
        yield simple != null ? simple : verbatim(b, scope);
      }
      case ArrayAccessTree access when variable(access, scope) instanceof String name -> name;
      case MethodInvocationTree call when method(call, scope) != null ->
          primary(text(result(call, scope), bind(call, scope)));
      default -> verbatim(e, scope);
    };
  }

  private String verbatim(Tree e, Map<String, Object> scope) {
    return replace(start(e), parts(e), end(e), scope);
  }

  /** The template from {@code begin} to {@code end} in one line, with its parts replaced. */
  private String replace(int begin, List<Tree> parts, int end, Map<String, Object> scope) {
    StringBuilder text = new StringBuilder();
    int at = begin;
    for (Tree part : parts) {
      text.append(source, at, start(part)).append(text(part, scope));
      at = end(part);
    }
    text.append(source, at, end);
    return text.toString()
        .replaceAll("(?<=\\()\\s*\\n\\s*|\\s*\\n\\s*(?=\\.)", "")
        .replaceAll("\\s*\\n\\s*", " ");
  }

  // JDK 28 is to remove both for others, which JDK 25 has not.
  @SuppressWarnings("removal")
  private int start(Tree tree) {
    return (int) positions.getStartPosition(file, tree);
  }

  @SuppressWarnings("removal")
  private int end(Tree tree) {
    return (int) positions.getEndPosition(file, tree);
  }

  /** What a tree consists of, in the template's order. */
  private List<Tree> parts(Tree tree) {
    List<Tree> parts = new ArrayList<>();
    tree.accept(
        new TreeScanner<Void, Void>() {
          @Override
          public Void scan(Tree part, Void nothing) {
            if (part != null && start(part) >= 0) {
              parts.add(part);
            }
            return null;
          }
        },
        null);
    return parts;
  }

  /** The variable that an element of an array is written out as, or null. */
  private String variable(ArrayAccessTree access, Map<String, Object> scope) {
    List<Object> indices = new ArrayList<>();
    ExpressionTree array = access;
    while (array instanceof ArrayAccessTree inner) {
      indices.addFirst(value(inner.getIndex(), scope));
      array = inner.getExpression();
    }
    if (!(scope.get(array.toString()) instanceof Variables variables)) {
      return null;
    }
    String name = array + indices.stream().map(String::valueOf).collect(Collectors.joining("x"));
    if (!names(array.toString(), variables.sizes).contains(name)) {
      throw error(access, access + " is " + name + ", which is no element of the array");
    }
    return name;
  }

  /** The template's own method that is called, or null. */
  private MethodTree method(MethodInvocationTree call, Map<String, Object> scope) {
    return switch (call.getMethodSelect()) {
      case IdentifierTree name -> methods.get(name.getName().toString());
      case MemberSelectTree select
          when value(select.getExpression(), scope) instanceof EnumConstant constant ->
          constant.methods.get(select.getIdentifier().toString());
      default -> null;
    };
  }

  private Map<String, Object> bind(MethodInvocationTree call, Map<String, Object> scope) {
    Map<String, Object> inner = new HashMap<>(enumConstants);
    var arguments = call.getArguments().iterator();
    for (VariableTree parameter : method(call, scope).getParameters()) {
      ExpressionTree argument = arguments.next();
      Object value = value(argument, scope);
      inner.put(
          parameter.getName().toString(),
          value != null ? value : new Argument(primary(text(argument, scope))));
    }
    return inner;
  }

  private ExpressionTree result(MethodInvocationTree call, Map<String, Object> scope) {
    BlockTree body = method(call, scope).getBody();
    if (body.getStatements().getFirst() instanceof ReturnTree returned) {
      return returned.getExpression();
    }
    throw error(body, "a method that tiles call returns one expression");
  }

  /** In parentheses where an operator stands outside of any. */
  private static String primary(String text) {
    int open = 0;
    for (char c : text.toCharArray()) {
      open += c == '(' || c == '[' ? 1 : c == ')' || c == ']' ? -1 : 0;
      if (open == 0 && c == ' ') {
        return "(" + text + ")";
      }
    }
    return text;
  }

  private IllegalArgumentException error(Tree at, String message) {
    long line = file.getLineMap().getLineNumber(start(at));
    return new IllegalArgumentException(
        file.getSourceFile().getName() + ":" + line + ": " + message);
  }
}
