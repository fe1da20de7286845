import com.sun.source.tree.ArrayAccessTree;
import com.sun.source.tree.AssignmentTree;
import com.sun.source.tree.BinaryTree;
import com.sun.source.tree.BlockTree;
import com.sun.source.tree.ClassTree;
import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.CompoundAssignmentTree;
import com.sun.source.tree.ConditionalExpressionTree;
import com.sun.source.tree.ExpressionStatementTree;
import com.sun.source.tree.ExpressionTree;
import com.sun.source.tree.ForLoopTree;
import com.sun.source.tree.IdentifierTree;
import com.sun.source.tree.IfTree;
import com.sun.source.tree.ImportTree;
import com.sun.source.tree.LiteralTree;
import com.sun.source.tree.MemberSelectTree;
import com.sun.source.tree.MethodInvocationTree;
import com.sun.source.tree.MethodTree;
import com.sun.source.tree.NewArrayTree;
import com.sun.source.tree.NewClassTree;
import com.sun.source.tree.ParenthesizedTree;
import com.sun.source.tree.ReturnTree;
import com.sun.source.tree.StatementTree;
import com.sun.source.tree.Tree;
import com.sun.source.tree.Tree.Kind;
import com.sun.source.tree.TypeCastTree;
import com.sun.source.tree.UnaryTree;
import com.sun.source.tree.VariableTree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.Trees;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
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
  private static final int MAX_TURNS = 1000;

  private final CompilationUnitTree file;
  private final Trees trees;
  private final String source;
  private final Map<String, ClassTree> records = new HashMap<>();
  private final Map<String, MethodTree> methods = new HashMap<>();

  /** Constants of the template's enums, by name. */
  private final Map<String, EnumConstant> enumConstants = new HashMap<>();

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

  /** What names stand for: constants, {@link Variables} or {@link Argument}s. */
  private static final class Scope extends HashMap<String, Object> {
    private static final long serialVersionUID = 1;

    Scope(Map<String, ?> outer) {
      super(outer);
    }
  }

  /** What is wrong with the template, and where. */
  private static final class TemplateException extends RuntimeException {
    private static final long serialVersionUID = 1;

    TemplateException(String message) {
      super(message);
    }
  }

  private final StringBuilder out = new StringBuilder();
  private int depth = 1;

  private Unroll(CompilationUnitTree file, Trees trees, String source) {
    this.file = file;
    this.trees = trees;
    this.source = source;
  }

  /** Writes the template's class into its package's folder, where it is not there already. */
  public static void main(String[] args) throws IOException {
    try {
      write(Path.of(args[0]), Path.of(args[1]));
    } catch (TemplateException e) {
      System.err.println(e.getMessage());
      System.exit(1);
    }
  }

  private static void write(Path template, Path folder) throws IOException {
    var compiler = ToolProvider.getSystemJavaCompiler();
    var files = compiler.getStandardFileManager(null, null, null);
    var task =
        (JavacTask)
            compiler.getTask(null, files, null, null, null, files.getJavaFileObjects(template));
    CompilationUnitTree file = task.parse().iterator().next();
    String text = new Unroll(file, Trees.instance(task), Files.readString(template)).unroll();
    Path to =
        folder
            .resolve(file.getPackageName().toString().replace('.', '/'))
            .resolve(template.getFileName());
    if (!Files.exists(to) || !Files.readString(to).equals(text)) {
      Files.createDirectories(to.getParent());
      Files.writeString(to, text);
    }
  }

  private String unroll() {
    ClassTree template = (ClassTree) file.getTypeDecls().getFirst();
    NewClassTree[] tiles = new NewClassTree[0];
    Map<String, Object> constants = new HashMap<>();
    for (Tree member : template.getMembers()) {
      switch (member) {
        case ClassTree type when type.getKind() == Kind.RECORD ->
            records.put(type.getSimpleName().toString(), type);
        case ClassTree type when type.getKind() == Kind.ENUM -> readEnum(type);
        case MethodTree method -> methods.put(method.getName().toString(), method);
        case VariableTree field when field.getName().contentEquals("TILES") ->
            tiles =
                ((MethodInvocationTree) field.getInitializer())
                    .getArguments().stream()
                        .map(NewClassTree.class::cast)
                        .toArray(NewClassTree[]::new);
        case VariableTree field ->
            constants.put(
                field.getName().toString(), value(field.getInitializer(), new Scope(constants)));
        default -> throw error(member, "a template has records, enums, methods and constants");
      }
    }
    constants.putAll(enumConstants);
    for (NewClassTree tile : tiles) {
      write(tile, new Scope(constants));
    }
    String body = out.toString();
    String name = template.getSimpleName().toString();
    String own = file.getPackageName() + "." + name + ".";
    String imports =
        file.getImports().stream()
            .filter(i -> uses(body, simpleName(i)))
            .filter(i -> !i.getQualifiedIdentifier().toString().startsWith(own))
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
        .formatted(file.getPackageName(), imports, name, name, body);
  }

  private void readEnum(ClassTree type) {
    for (Tree member : type.getMembers()) {
      if (member instanceof VariableTree constant
          && constant.getInitializer() instanceof NewClassTree made) {
        Map<String, MethodTree> own = new HashMap<>();
        if (made.getClassBody() != null) {
          for (Tree inner : made.getClassBody().getMembers()) {
            if (inner instanceof MethodTree method) {
              own.put(method.getName().toString(), method);
            }
          }
        }
        String name = constant.getName().toString();
        enumConstants.put(name, new EnumConstant(name, own));
      }
    }
  }

  /** One tile: {@code new Record(constants)}. */
  private void write(NewClassTree tile, Scope constants) {
    String recordName = tile.getIdentifier().toString();
    ClassTree type = records.get(recordName);
    MethodTree run = null;
    Map<String, Object> values = new LinkedHashMap<>();
    for (Tree member : type.getMembers()) {
      if (member instanceof MethodTree method && method.getName().contentEquals("run")) {
        run = method;
      } else if (member instanceof VariableTree component
          && !component.getModifiers().getFlags().contains(Modifier.STATIC)) {
        ExpressionTree argument = tile.getArguments().get(values.size());
        values.put(component.getName().toString(), constant(argument, constants));
      }
    }
    String name = Character.toLowerCase(recordName.charAt(0)) + recordName.substring(1);
    Object before = null;
    for (Object value : values.values()) {
      boolean number = value instanceof Integer;
      name += number && before instanceof Integer ? "x" + value : number ? value : camel(value);
      before = value;
    }
    Scope scope = new Scope(constants);
    scope.putAll(values);
    int start = out.length();
    depth++;
    for (StatementTree statement : run.getBody().getStatements()) {
      write(statement, scope);
    }
    depth--;
    String body = out.substring(start);
    out.setLength(start);
    String parameters =
        run.getParameters().stream()
            .filter(p -> uses(body, p.getName().toString()))
            .map(p -> p.getType() + " " + p.getName())
            .collect(Collectors.joining(", "));
    out.append("\n  /** ").append(recordName).append(": ").append(values).append(". */\n");
    out.append("  static void ").append(name).append('(').append(parameters).append(") {\n");
    out.append(body).append("  }\n");
  }

  private static String camel(Object constant) {
    return constant.toString().charAt(0)
        + constant.toString().substring(1).toLowerCase(java.util.Locale.ROOT);
  }

  private static String simpleName(ImportTree i) {
    return ((MemberSelectTree) i.getQualifiedIdentifier()).getIdentifier().toString();
  }

  private static boolean uses(String body, String name) {
    return Pattern.compile("\\b" + name + "\\b").matcher(body).find();
  }

  private void line(String text) {
    out.append("  ".repeat(depth)).append(text).append('\n');
  }

  private void write(StatementTree statement, Scope scope) {
    switch (statement) {
      case BlockTree block -> writeAll(block, scope);
      case VariableTree variable -> declare(variable, scope);
      case ForLoopTree loop -> writeLoop(loop, scope);
      case IfTree choice -> writeChoice(choice, scope);
      case ExpressionStatementTree expression ->
          line(text(expression.getExpression(), scope) + ";");
      default -> throw error(statement, "a tile cannot have this kind of statement");
    }
  }

  private void writeAll(StatementTree statement, Scope outer) {
    Scope scope = new Scope(outer);
    if (statement instanceof BlockTree block) {
      block.getStatements().forEach(s -> write(s, scope));
    } else {
      write(statement, scope);
    }
  }

  private void declare(VariableTree variable, Scope scope) {
    String name = variable.getName().toString();
    if (variable.getInitializer() instanceof NewArrayTree array) {
      List<Integer> sizes = new ArrayList<>();
      for (ExpressionTree size : array.getDimensions()) {
        sizes.add((Integer) constant(size, scope));
      }
      scope.put(name, new Variables(sizes));
      String type = array.getType().toString();
      if (sizes.size() == 1) {
        declareAll(type, names(name, sizes));
      } else {
        for (String row : names(name, sizes.subList(0, 1))) {
          declareAll(type, names(row + "x", sizes.subList(1, sizes.size())));
        }
      }
      return;
    }
    if (variable.getModifiers().getFlags().contains(Modifier.FINAL)) {
      scope.put(name, constant(variable.getInitializer(), scope));
      return;
    }
    line(variable.getType() + " " + name + " = " + text(variable.getInitializer(), scope) + ";");
    scope.remove(name);
  }

  private void declareAll(String type, List<String> names) {
    if (!names.isEmpty()) {
      line(type + " " + String.join(", ", names) + ";");
    }
  }

  private static List<String> names(String name, List<Integer> sizes) {
    List<String> names = List.of(name);
    for (int d = 0; d < sizes.size(); d++) {
      String between = d == 0 ? "" : "x";
      List<String> longer = new ArrayList<>();
      for (String prefix : names) {
        for (int i = 0; i < sizes.get(d); i++) {
          longer.add(prefix + between + i);
        }
      }
      names = longer;
    }
    return names;
  }

  /** Unrolled where its variable begins, ends and steps by constants. */
  private void writeLoop(ForLoopTree loop, Scope outer) {
    VariableTree variable = (VariableTree) loop.getInitializer().getFirst();
    String name = variable.getName().toString();
    ExpressionTree update = loop.getUpdate().getFirst().getExpression();
    Scope scope = new Scope(outer);
    scope.put(name, value(variable.getInitializer(), scope));
    if (scope.get(name) == null || value(loop.getCondition(), scope) == null) {
      scope.remove(name);
      String begin = "int " + name + " = " + text(variable.getInitializer(), outer);
      line(
          "for ("
              + begin
              + "; "
              + text(loop.getCondition(), scope)
              + "; "
              + text(update, scope)
              + ") {");
      depth++;
      writeAll(loop.getStatement(), scope);
      depth--;
      line("}");
      return;
    }
    boolean declares =
        loop.getStatement() instanceof BlockTree block
            && block.getStatements().stream()
                .anyMatch(
                    s ->
                        s instanceof VariableTree v
                            && !v.getModifiers().getFlags().contains(Modifier.FINAL));
    for (int turn = 0; value(loop.getCondition(), scope).equals(true); turn++) {
      if (turn == MAX_TURNS) {
        throw error(loop, "this loop is too long to be written out");
      }
      if (declares) {
        line("{");
        depth++;
      }
      writeAll(loop.getStatement(), scope);
      if (declares) {
        depth--;
        line("}");
      }
      scope.put(name, next(update, scope));
    }
  }

  private Object next(ExpressionTree update, Scope scope) {
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

  private void writeChoice(IfTree choice, Scope scope) {
    Object condition = value(choice.getCondition(), scope);
    if (condition == null) {
      throw error(choice, "a tile chooses by constants alone");
    }
    if (condition.equals(true)) {
      writeAll(choice.getThenStatement(), scope);
    } else if (choice.getElseStatement() != null) {
      writeAll(choice.getElseStatement(), scope);
    }
  }

  /** The value of a constant expression: an Integer, a Boolean or an EnumConstant; else null. */
  private Object value(ExpressionTree e, Scope scope) {
    return switch (e) {
      case LiteralTree l when l.getValue() instanceof Integer || l.getValue() instanceof Boolean ->
          l.getValue();
      case ParenthesizedTree p -> value(p.getExpression(), scope);
      case IdentifierTree name -> {
        Object value = scope.get(name.getName().toString());
        yield value instanceof Argument || value instanceof Variables ? null : value;
      }
      case ConditionalExpressionTree c ->
          value(c.getCondition(), scope) instanceof Boolean choice
              ? value(choice ? c.getTrueExpression() : c.getFalseExpression(), scope)
              : null;
      case BinaryTree b -> {
        Object left = value(b.getLeftOperand(), scope);
        Object right = value(b.getRightOperand(), scope);
        yield left == null || right == null ? null : compute(b, left, right);
      }
      case MethodInvocationTree call when method(call, scope) != null -> {
        Scope inner = bind(call, scope);
        yield value(result(method(call, scope).getBody(), inner), inner);
      }
      case null, default -> null;
    };
  }

  private Object compute(BinaryTree b, Object left, Object right) {
    if (left instanceof Integer x && right instanceof Integer y) {
      return switch (b.getKind()) {
        case PLUS -> x + y;
        case MINUS -> x - y;
        case MULTIPLY -> x * y;
        case DIVIDE -> x / y;
        case LESS_THAN -> x < y;
        case EQUAL_TO -> x.equals(y);
        default -> throw error(b, "this operator is not known for constants");
      };
    }
    return switch (b.getKind()) {
      case EQUAL_TO -> left.equals(right);
      default -> throw error(b, "this operator is not known for constants");
    };
  }

  private Object constant(ExpressionTree e, Scope scope) {
    Object value = value(e, scope);
    if (value == null) {
      throw error(e, e + " must be a constant");
    }
    return value;
  }

  private String text(ExpressionTree e, Scope scope) {
    Object value = value(e, scope);
    if (value != null) {
      return e instanceof LiteralTree literal ? source(literal) : value.toString();
    }
    return switch (e) {
      case IdentifierTree name ->
          scope.get(name.getName().toString()) instanceof Argument argument
              ? argument.text
              : name.getName().toString();
      case ParenthesizedTree p -> {
        String inner = text(p.getExpression(), scope);
        yield isPrimary(inner) ? inner : "(" + inner + ")";
      }
      case BinaryTree b ->
          binary(b, text(b.getLeftOperand(), scope), text(b.getRightOperand(), scope));
      case ConditionalExpressionTree c
          when value(c.getCondition(), scope) instanceof Boolean choice ->
          text(choice ? c.getTrueExpression() : c.getFalseExpression(), scope);
      case TypeCastTree cast -> "(" + cast.getType() + ") " + text(cast.getExpression(), scope);
      case UnaryTree u when u.getKind() == Kind.POSTFIX_INCREMENT ->
          text(u.getExpression(), scope) + "++";
      case AssignmentTree a ->
          text(a.getVariable(), scope) + " = " + text(a.getExpression(), scope);
      case CompoundAssignmentTree a when a.getKind() == Kind.PLUS_ASSIGNMENT ->
          text(a.getVariable(), scope) + " += " + text(a.getExpression(), scope);
      case MemberSelectTree select ->
          primary(text(select.getExpression(), scope)) + "." + select.getIdentifier();
      case ArrayAccessTree element -> element(element, scope);
      case MethodInvocationTree call when method(call, scope) != null -> {
        Scope inner = bind(call, scope);
        yield primary(text(result(method(call, scope).getBody(), inner), inner));
      }
      case MethodInvocationTree call ->
          text(call.getMethodSelect(), scope)
              + call.getArguments().stream()
                  .map(a -> text(a, scope))
                  .collect(Collectors.joining(", ", "(", ")"));
      case LiteralTree literal -> source(literal);
      default -> throw error(e, "a tile cannot have this kind of expression: " + e);
    };
  }

  /** As it is written in the template: numbers keep their base. */
  private String source(LiteralTree literal) {
    var positions = trees.getSourcePositions();
    int start = (int) positions.getStartPosition(file, literal);
    return source.substring(start, (int) positions.getEndPosition(file, literal));
  }

  private String binary(BinaryTree b, String left, String right) {
    boolean plus = b.getKind() == Kind.PLUS;
    boolean times = b.getKind() == Kind.MULTIPLY;
    if (plus && left.equals("0") || times && left.equals("1")) {
      return right;
    }
    if (plus && right.equals("0") || right.equals("1") && (times || b.getKind() == Kind.DIVIDE)) {
      return left;
    }
    if (times && (left.equals("0") || right.equals("0"))) {
      return "0";
    }
    String operator =
        switch (b.getKind()) {
          case PLUS -> "+";
          case MINUS -> "-";
          case MULTIPLY -> "*";
          case DIVIDE -> "/";
          case LESS_THAN -> "<";
          default -> throw error(b, "this operator is not known");
        };
    return left + " " + operator + " " + right;
  }

  /** An element of an array: a variable where the array is written out. */
  private String element(ArrayAccessTree access, Scope scope) {
    List<ExpressionTree> indices = new ArrayList<>();
    ExpressionTree array = access;
    while (array instanceof ArrayAccessTree inner) {
      indices.addFirst(inner.getIndex());
      array = inner.getExpression();
    }
    if (!(array instanceof IdentifierTree name
        && scope.get(name.getName().toString()) instanceof Variables variables)) {
      return text(access.getExpression(), scope) + "[" + text(access.getIndex(), scope) + "]";
    }
    StringBuilder variable = new StringBuilder(name.getName());
    for (int d = 0; d < indices.size(); d++) {
      int i = (Integer) constant(indices.get(d), scope);
      if (i < 0 || i >= variables.sizes.get(d)) {
        throw error(access, access + ": index " + i + " is outside of the array");
      }
      variable.append(d == 0 ? "" : "x").append(i);
    }
    return variable.toString();
  }

  /** The template's own method that is called, or null. */
  private MethodTree method(MethodInvocationTree call, Scope scope) {
    return switch (call.getMethodSelect()) {
      case IdentifierTree name -> methods.get(name.getName().toString());
      case MemberSelectTree select
          when value(select.getExpression(), scope) instanceof EnumConstant constant -> {
        MethodTree method = constant.methods.get(select.getIdentifier().toString());
        if (method == null) {
          throw error(call, constant + " has no method " + select.getIdentifier());
        }
        yield method;
      }
      default -> null;
    };
  }

  private Scope bind(MethodInvocationTree call, Scope scope) {
    Scope inner = new Scope(enumConstants);
    List<? extends VariableTree> parameters = method(call, scope).getParameters();
    for (int i = 0; i < parameters.size(); i++) {
      ExpressionTree argument = call.getArguments().get(i);
      Object value = value(argument, scope);
      inner.put(
          parameters.get(i).getName().toString(),
          value != null ? value : new Argument(primary(text(argument, scope))));
    }
    return inner;
  }

  private ExpressionTree result(BlockTree body, Scope scope) {
    if (body.getStatements().size() == 1
        && body.getStatements().getFirst() instanceof ReturnTree returned) {
      return returned.getExpression();
    }
    throw error(body, "a method that tiles call returns one expression");
  }

  private static String primary(String text) {
    return isPrimary(text) ? text : "(" + text + ")";
  }

  /** Whether no operator stands outside of parentheses and brackets. */
  private static boolean isPrimary(String text) {
    int open = 0;
    for (char c : text.toCharArray()) {
      open += c == '(' || c == '[' ? 1 : c == ')' || c == ']' ? -1 : 0;
      if (open == 0 && c == ' ') {
        return false;
      }
    }
    return true;
  }

  private TemplateException error(Tree at, String message) {
    long position = trees.getSourcePositions().getStartPosition(file, at);
    long line = file.getLineMap().getLineNumber(position);
    return new TemplateException(file.getSourceFile().getName() + ":" + line + ": " + message);
  }
}
