package consumer;

import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The program where others run theirs: on virtual threads, and in two class loaders at once. */
public final class Conditions {
  private static final int THREADS = 8;

  private Conditions() {}

  public static void main(String[] arguments) throws Exception {
    float[] expected = OverArrays.attention();
    List<Thread> threads = new ArrayList<>();
    List<float[]> results = new ArrayList<>();
    for (int i = 0; i < THREADS; i++) {
      threads.add(
          Thread.ofVirtual()
              .start(
                  () -> {
                    float[] result = OverArrays.attention();
                    synchronized (results) {
                      results.add(result);
                    }
                  }));
    }
    for (Thread thread : threads) {
      thread.join();
    }
    require("virtual threads", THREADS, expected, results);

    List<URL> jars = new ArrayList<>();
    for (String jar : System.getProperty("java.class.path").split(java.io.File.pathSeparator)) {
      jars.add(Path.of(jar).toUri().toURL());
    }
    results.clear();
    ClassLoader platform = ClassLoader.getPlatformClassLoader();
    try (URLClassLoader one = new URLClassLoader(jars.toArray(URL[]::new), platform);
        URLClassLoader other = new URLClassLoader(jars.toArray(URL[]::new), platform)) {
      for (ClassLoader loader : List.of(one, other)) {
        Method method = loader.loadClass(OverArrays.class.getName()).getDeclaredMethod("attention");
        results.add((float[]) method.invoke(null));
      }
    }
    require("two class loaders", 2, expected, results);
  }

  private static void require(String what, int count, float[] expected, List<float[]> results) {
    if (results.size() != count) {
      throw new AssertionError(what + ": " + results.size() + " results of " + count);
    }
    for (float[] result : results) {
      if (!java.util.Arrays.equals(expected, result)) {
        throw new AssertionError(what + ": other numbers");
      }
    }
    System.out.println(what + ": the same numbers");
  }
}
