package io.mla4j.ffi.library;

import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;

/**
 * For which system and processor a native library is: what its folder in a jar is called.
 *
 * @param folder such as {@code linux-x86_64}, {@code macos-aarch64} or {@code windows-x86_64}
 */
record Platform(String folder) {
  /**
   * What {@code scripts/package} makes libraries for. Those of Linux are for glibc and for musl.
   */
  static final List<Platform> PACKAGED =
      List.of(
          new Platform("linux-x86_64"),
          new Platform("linux-aarch64"),
          new Platform("macos-aarch64"),
          new Platform("macos-x86_64"),
          new Platform("windows-x86_64"));

  /**
   * The platform of a process.
   *
   * @param properties its system properties by name
   */
  static Platform of(UnaryOperator<String> properties) {
    String os = properties.apply("os.name").toLowerCase(Locale.ROOT);
    String arch = properties.apply("os.arch").toLowerCase(Locale.ROOT);
    return new Platform(os(os) + "-" + arch(arch));
  }

  /** The path of a file for this platform in a jar. */
  String resource(String name) {
    return "META-INF/native/" + folder + "/" + name;
  }

  private static String os(String name) {
    return name.startsWith("windows") ? "windows" : name.startsWith("mac") ? "macos" : name;
  }

  private static String arch(String name) {
    return switch (name) {
      case "amd64", "x86_64", "x86-64" -> "x86_64";
      case "aarch64", "arm64" -> "aarch64";
      default -> name;
    };
  }
}
