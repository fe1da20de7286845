package io.mla4j.cli;

import java.util.List;
import java.util.function.Consumer;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgGroupSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.IGetter;
import picocli.CommandLine.Model.ISetter;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;
import picocli.CommandLine.ScopeType;

/**
 * Tells picocli in code which arguments a command has. Its annotations would be shorter, but the
 * JVM makes a class for each kind of annotation that is read: for one command that takes longer
 * than the JVM itself takes to start.
 */
public final class Args {
  static {
    // Groovy's class for closures would be looked for in every jar.
    System.setProperty("picocli.disable.closures", "true");
  }

  private final CommandSpec spec;
  private final Consumer<OptionSpec> options;

  private Args(CommandSpec spec, Consumer<OptionSpec> options) {
    this.spec = spec;
    this.options = options;
  }

  /** The arguments of {@code command}: none yet. */
  static Args of(String name, Object command) {
    CommandSpec spec =
        CommandSpec.wrapWithoutInspection(command)
            .name(name)
            .versionProvider(new Mla4jCommand.Version());
    return new Args(spec, spec::addOption);
  }

  /** What picocli knows of them. */
  public CommandSpec spec() {
    return spec;
  }

  /** What reads the arguments that were told so far. */
  CommandLine parser() {
    return new CommandLine(spec);
  }

  /** What the help says above the options. */
  public void description(String... lines) {
    spec.usageMessage().description(lines);
  }

  /** A command of this one. */
  void command(String name, StreamCommand command, Streams streams) {
    command.streams = streams;
    Args args = of(name, command);
    command.spec = args.spec;
    command.declare(args);
    spec.addSubcommand(name, args.parser());
  }

  /** An option that is there or not. */
  public void flag(String name, Consumer<Boolean> field, String description) {
    options.accept(option(name, field, description).type(boolean.class).build());
  }

  /** {@code --help} and {@code --version}, of this command and its own. */
  void standardOptions() {
    spec.addOption(
        OptionSpec.builder("-h", "--help")
            .usageHelp(true)
            .scopeType(ScopeType.INHERIT)
            .description("Show this help message and exit.")
            .build());
    spec.addOption(
        OptionSpec.builder("-V", "--version")
            .versionHelp(true)
            .scopeType(ScopeType.INHERIT)
            .description("Print version information and exit.")
            .build());
  }

  /** A flag of this command and of its own. */
  void inheritedFlag(String name, Consumer<Boolean> field, String description) {
    spec.addOption(
        option(name, field, description).type(boolean.class).scopeType(ScopeType.INHERIT).build());
  }

  /**
   * An option with one value.
   *
   * @param name with the label of its value: {@code --seed S}
   */
  public <T> void one(String name, Class<T> type, Consumer<T> field, String description) {
    options.accept(option(name, field, description).type(type).build());
  }

  /** An option with one value that must be there. */
  public <T> void required(String name, Class<T> type, Consumer<T> field, String description) {
    options.accept(option(name, field, description).type(type).required(true).build());
  }

  /** An option with values that are separated by commas, or given one by one. */
  public <T> void list(String name, Class<T> type, Consumer<List<T>> field, String description) {
    options.accept(listOption(name, type, field, description).splitRegex(",").build());
  }

  /** An option that may come several times. */
  public <T> void several(
      String name, Class<T> type, boolean required, Consumer<List<T>> field, String description) {
    options.accept(listOption(name, type, field, description).required(required).build());
  }

  /** Options of which one must be there. */
  public void oneOf(Consumer<Args> members) {
    ArgGroupSpec.Builder group = ArgGroupSpec.builder().multiplicity("1");
    members.accept(new Args(spec, group::addArg));
    spec.addArgGroup(group.build());
  }

  /** An argument by its place, which must be there. */
  public <T> void positional(
      int index, String label, Class<T> type, Consumer<T> field, String description) {
    Binding binding = new Binding(field);
    spec.addPositional(
        PositionalParamSpec.builder()
            .index(Integer.toString(index))
            .paramLabel(label)
            .type(type)
            .required(true)
            .getter(binding)
            .setter(binding)
            .hasInitialValue(false)
            .description(description)
            .build());
  }

  private static OptionSpec.Builder listOption(
      String name, Class<?> type, Consumer<?> field, String description) {
    return option(name, field, description).type(List.class).auxiliaryTypes(type);
  }

  private static OptionSpec.Builder option(String name, Consumer<?> field, String description) {
    Binding binding = new Binding(field);
    int label = name.indexOf(' ');
    OptionSpec.Builder option =
        OptionSpec.builder(label < 0 ? name : name.substring(0, label))
            .getter(binding)
            .setter(binding)
            .hasInitialValue(false)
            .description(description);
    return label < 0 ? option : option.paramLabel(name.substring(label + 1));
  }

  /** Hands each value on, and remembers it: picocli adds to a list that it finds. */
  private static final class Binding implements IGetter, ISetter {
    private final Consumer<Object> field;
    private Object value;

    @SuppressWarnings("unchecked") // values have the type of their option
    Binding(Consumer<?> field) {
      this.field = (Consumer<Object>) field;
    }

    @Override
    @SuppressWarnings("unchecked")
    public <T> T get() {
      return (T) value;
    }

    @Override
    public <T> T set(T next) {
      value = next;
      field.accept(next);
      return next;
    }
  }
}
