package io.mla4j.natives;

import static java.lang.constant.ConstantDescs.CD_MethodHandle;

import java.io.IOException;
import java.io.InputStream;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassTransform;
import java.lang.classfile.CodeElement;
import java.lang.classfile.CodeTransform;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.constant.ClassDesc;
import java.lang.constant.MethodTypeDesc;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * Loads mla4j's classes once more, with calls of {@link Linker#downcallHandle} turned into calls of
 * its own, which link as before and note the signature in the words of native-image.
 */
public final class LinkRecorder extends ClassLoader {
  private static final ClassDesc LINKER = desc(Linker.class);
  private static final String NAME = "downcallHandle";
  private static final String OWN_PACKAGE = LinkRecorder.class.getPackageName() + ".";

  private final Set<String> signatures = new TreeSet<>();
  private final Set<String> callers = new TreeSet<>();

  /** Takes the bytes of classes from {@code parent}, and all other classes as they are. */
  LinkRecorder(ClassLoader parent) {
    super(parent);
  }

  /** Whether a class asks the linker for functions. */
  static boolean links(byte[] classFile) {
    return ClassFile.of().parse(classFile).methods().stream()
        .flatMap(method -> method.code().stream())
        .flatMap(code -> code.elementStream())
        .anyMatch(LinkRecorder::isLink);
  }

  /** What was linked: entries of {@code foreign.downcalls}. */
  Set<String> signatures() {
    return signatures;
  }

  /** The classes that linked it. */
  Set<String> callers() {
    return callers;
  }

  @Override
  protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
    if (!name.startsWith("io.mla4j.") || name.startsWith(OWN_PACKAGE)) {
      return super.loadClass(name, resolve);
    }
    synchronized (getClassLoadingLock(name)) {
      Class<?> loaded = findLoadedClass(name);
      return loaded != null ? loaded : define(name);
    }
  }

  private Class<?> define(String name) throws ClassNotFoundException {
    try (InputStream in = getParent().getResourceAsStream(name.replace('.', '/') + ".class")) {
      if (in == null) {
        throw new ClassNotFoundException(name);
      }
      ClassFile context = ClassFile.of();
      byte[] bytes =
          context.transformClass(
              context.parse(in.readAllBytes()),
              ClassTransform.transformingMethodBodies(recording()));
      return defineClass(name, bytes, 0, bytes.length);
    } catch (IOException e) {
      throw new ClassNotFoundException(name, e);
    }
  }

  private static CodeTransform recording() {
    return (builder, element) -> {
      if (isLink(element)) {
        MethodTypeDesc type = ((InvokeInstruction) element).typeSymbol();
        builder.invokestatic(desc(LinkRecorder.class), NAME, type.insertParameterTypes(0, LINKER));
      } else {
        builder.with(element);
      }
    };
  }

  private static boolean isLink(CodeElement element) {
    return element instanceof InvokeInstruction call
        && call.owner().asSymbol().equals(LINKER)
        && call.name().equalsString(NAME)
        && call.typeSymbol().returnType().equals(CD_MethodHandle);
  }

  /**
   * In place of {@link Linker#downcallHandle(MemorySegment, FunctionDescriptor, Linker.Option...)}.
   */
  public static MethodHandle downcallHandle(
      Linker linker, MemorySegment symbol, FunctionDescriptor function, Linker.Option... options) {
    note(function, options);
    return linker.downcallHandle(symbol, function, options);
  }

  /** In place of {@link Linker#downcallHandle(FunctionDescriptor, Linker.Option...)}. */
  public static MethodHandle downcallHandle(
      Linker linker, FunctionDescriptor function, Linker.Option... options) {
    note(function, options);
    return linker.downcallHandle(function, options);
  }

  private static void note(FunctionDescriptor function, Linker.Option[] options) {
    Class<?> caller =
        StackWalker.getInstance(StackWalker.Option.RETAIN_CLASS_REFERENCE)
            .walk(frames -> frames.skip(2).findFirst().orElseThrow().getDeclaringClass());
    LinkRecorder recorder = (LinkRecorder) caller.getClassLoader();
    recorder.callers.add(caller.getName());
    recorder.signatures.add(
        "{\"returnType\": \"%s\", \"parameterTypes\": [%s]%s}"
            .formatted(
                function.returnLayout().map(LinkRecorder::type).orElse("void"),
                function.argumentLayouts().stream()
                    .map(layout -> '"' + type(layout) + '"')
                    .collect(Collectors.joining(", ")),
                options(options)));
  }

  private static String options(Linker.Option[] options) {
    if (options.length == 0) {
      return "";
    }
    if (List.of(options).equals(List.of(Linker.Option.captureCallState("errno")))) {
      return ", \"options\": {\"captureCallState\": true}";
    }
    throw new AssertionError("options that have no name here: " + List.of(options));
  }

  private static String type(MemoryLayout layout) {
    return switch (layout) {
      case AddressLayout _ -> "void*";
      case ValueLayout.OfInt _ -> "jint";
      case ValueLayout.OfLong _ -> "jlong";
      case ValueLayout.OfFloat _ -> "jfloat";
      case ValueLayout.OfDouble _ -> "jdouble";
      default -> throw new AssertionError("a layout that has no name here: " + layout);
    };
  }

  private static ClassDesc desc(Class<?> type) {
    return type.describeConstable().orElseThrow();
  }
}
