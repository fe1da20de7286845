package io.mla4j.ffi;

import java.io.IOException;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.PaddingLayout;
import java.lang.foreign.ValueLayout;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Sizes, offsets and signatures as the generated bindings have them, in the words of {@code
 * MLA_DESCRIBE_LAYOUT}. scripts/generate-bindings runs it to write layout.txt.
 */
final class BindingsLayout {
  private static final String PACKAGE = "io.mla4j.ffi.abi";

  private BindingsLayout() {}

  public static void main(String[] arguments) throws Exception {
    System.out.print(text());
  }

  /** Of every struct and type of function in the package, by name. */
  static String text() throws IOException, URISyntaxException, ReflectiveOperationException {
    StringBuilder text = new StringBuilder();
    for (Class<?> binding : bindings()) {
      if (has(binding, "layout")) {
        appendStruct(binding, text);
      } else {
        text.append(binding.getSimpleName()).append(' ').append(signature(binding)).append('\n');
      }
    }
    return text.toString();
  }

  private static List<Class<?>> bindings()
      throws IOException, URISyntaxException, ReflectiveOperationException {
    Class<?> header = Class.forName(PACKAGE + ".Mla");
    URI classes = header.getProtectionDomain().getCodeSource().getLocation().toURI();
    List<String> names;
    try (Stream<Path> files = Files.list(Path.of(classes).resolve(PACKAGE.replace('.', '/')))) {
      names = files.map(file -> file.getFileName().toString()).sorted().toList();
    }
    List<Class<?>> found = new ArrayList<>();
    for (String name : names) {
      if (name.matches("mla_[a-z_]+\\.class")) {
        found.add(Class.forName(PACKAGE + "." + name.substring(0, name.length() - 6)));
      }
    }
    found.sort(Comparator.comparing(Class::getSimpleName));
    return found;
  }

  private static void appendStruct(Class<?> binding, StringBuilder text)
      throws ReflectiveOperationException {
    GroupLayout struct = (GroupLayout) binding.getMethod("layout").invoke(null);
    String name = struct.name().orElseThrow();
    text.append("struct ").append(name).append(' ').append(struct.byteSize()).append('\n');
    for (MemoryLayout field : struct.memberLayouts()) {
      if (field instanceof PaddingLayout) {
        continue;
      }
      String fieldName = field.name().orElseThrow();
      text.append(name)
          .append('.')
          .append(fieldName)
          .append(' ')
          .append(struct.byteOffset(PathElement.groupElement(fieldName)))
          .append(' ')
          .append(
              field instanceof AddressLayout
                  ? signature(Class.forName(binding.getName() + "$" + fieldName))
                  : type(field))
          .append('\n');
    }
  }

  private static boolean has(Class<?> binding, String method) {
    return Stream.of(binding.getMethods()).anyMatch(m -> m.getName().equals(method));
  }

  /** Of a type of function, by its class. */
  private static String signature(Class<?> function) throws ReflectiveOperationException {
    FunctionDescriptor d = (FunctionDescriptor) function.getMethod("descriptor").invoke(null);
    return type(d.returnLayout().orElseThrow())
        + d.argumentLayouts().stream()
            .map(BindingsLayout::type)
            .collect(Collectors.joining(",", "(", ")"));
  }

  private static String type(MemoryLayout layout) {
    return switch (layout) {
      case AddressLayout _ -> "ptr";
      case ValueLayout.OfInt _ -> "i32";
      case ValueLayout.OfLong _ -> "i64";
      case ValueLayout.OfFloat _ -> "f32";
      case ValueLayout.OfDouble _ -> "f64";
      default -> throw new AssertionError("no name for " + layout);
    };
  }
}
