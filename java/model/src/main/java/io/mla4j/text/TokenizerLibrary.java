package io.mla4j.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.LibUtils;
import io.mla4j.BackendException;
import io.mla4j.extract.Digest;
import io.mla4j.extract.Extraction;
import io.mla4j.extract.PackedFile;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.net.URL;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The way to ai.djl.huggingface.tokenizers, which by itself cuts texts at 512 ids, asks a metadata
 * address of a cloud who it is, looks for downloads, and unpacks its native library into the home
 * folder, unchecked and for one class loader. Here it does none of that: its library is {@linkplain
 * Extraction extracted as all are}.
 *
 * <p>Its switches are system properties; they are set while a tokenizer is made and taken back, so
 * that a host that uses the library for other things keeps its settings. What the host has set
 * itself is left alone, {@code RUST_LIBRARY_PATH} with a library of its own included.
 */
final class TokenizerLibrary {
  private static final String LIBRARY_PATH = "RUST_LIBRARY_PATH";

  /**
   * The files that class loaders of this process have loaded through JNI, which gives a file to one
   * class loader only. A system property is what all of them see.
   */
  private static final String LOADED = "io.mla4j.text.tokenizer.loaded";

  /** One object for all class loaders: the switches and {@link #LOADED} are everybody's. */
  private static final Object LOCK = TokenizerLibrary.class.getName().intern();

  private static boolean loaded;

  private TokenizerLibrary() {}

  /**
   * A tokenizer of a tokenizer.json, which neither truncates nor pads nor adds special tokens.
   *
   * @throws BackendException where the native library cannot be extracted or loaded
   * @throws IOException where the library would end the process, see {@link TokenizerCheck}
   * @throws RuntimeException of any kind where the library refuses the text
   */
  static HuggingFaceTokenizer load(byte[] json) throws IOException {
    TokenizerCheck.check(json);
    synchronized (LOCK) {
      List<String> ours = new ArrayList<>();
      Thread thread = Thread.currentThread();
      ClassLoader context = thread.getContextClassLoader();
      try {
        // It looks for its files with the thread's class loader, which may not know it.
        thread.setContextClassLoader(HuggingFaceTokenizer.class.getClassLoader());
        set("OPT_OUT_TRACKING", "true", ours);
        set("ai.djl.offline", "true", ours);
        loadNative(ours);
        return HuggingFaceTokenizer.newInstance(
            new ByteArrayInputStream(json),
            Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false"));
      } finally {
        ours.forEach(System::clearProperty);
        thread.setContextClassLoader(context);
      }
    }
  }

  private static void loadNative(List<String> ours) throws IOException {
    if (loaded) {
      return;
    }
    if (System.getenv(LIBRARY_PATH) != null || System.getProperty(LIBRARY_PATH) != null) {
      initialize("named by " + LIBRARY_PATH);
    } else {
      List<PackedFile> files = packedFiles();
      Extraction extraction = Extraction.ofProcess();
      extraction.load(
          files,
          file ->
              isLoaded(file)
                  ? extraction.loadCopy(files, copy -> initialize(copy, ours))
                  : initialize(file, ours));
    }
    loaded = true;
  }

  private static Path initialize(Path file, List<String> ours) {
    set(LIBRARY_PATH, file.toString(), ours);
    initialize(file.toString());
    System.setProperty(LOADED, System.getProperty(LOADED, "") + file + File.pathSeparator);
    return file;
  }

  private static boolean isLoaded(Path file) {
    return Arrays.asList(System.getProperty(LOADED, "").split(File.pathSeparator))
        .contains(file.toString());
  }

  /** Has the class loaded that loads the library, once and for all. */
  private static void initialize(String file) {
    try {
      LibUtils.checkStatus();
    } catch (RuntimeException | LinkageError e) {
      Throwable cause = e;
      while (cause.getCause() != null) {
        cause = cause.getCause();
      }
      throw new BackendException(
          "the tokenizer's native library (" + file + ") does not load: " + cause.getMessage(), e);
    }
  }

  /** The files of this platform, those that the library needs before it. */
  private static List<PackedFile> packedFiles() throws IOException {
    String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    String platform = os.startsWith("win") ? "win" : os.startsWith("mac") ? "osx" : os;
    String arch = System.getProperty("os.arch");
    String folder =
        "native/lib/" + platform + "-" + (arch.equals("amd64") ? "x86_64" : arch) + "/cpu/";
    List<PackedFile> files = new ArrayList<>();
    if (platform.equals("win")) {
      files.add(packedFile(folder, "libwinpthread-1.dll"));
      files.add(packedFile(folder, "libgcc_s_seh-1.dll"));
      files.add(packedFile(folder, "libstdc++-6.dll"));
    }
    files.add(packedFile(folder, System.mapLibraryName("tokenizers")));
    return files;
  }

  private static PackedFile packedFile(String folder, String name) throws IOException {
    URL url = HuggingFaceTokenizer.class.getClassLoader().getResource(folder + name);
    if (url == null) {
      throw new BackendException(
          "the tokenizer has no native library for this platform: there is no " + folder + name);
    }
    return new PackedFile(name, Digest.of(url), url::openStream);
  }

  private static void set(String property, String value, List<String> ours) {
    if (System.getProperty(property) == null) {
      System.setProperty(property, value);
      ours.add(property);
    }
  }
}
