package consumer;

import io.mla4j.Backends;
import io.mla4j.Device;
import io.mla4j.text.Model;
import java.nio.file.Path;

/**
 * Runs the README's programs: attention over plain arrays, then, of a model that is named, a text.
 * Between them it tells the device's threads.
 */
public final class Main {
  private Main() {}

  public static void main(String[] arguments) {
    OverArrays.main(arguments);
    try (Device device = Backends.open()) {
      System.out.println(device.backend() + " with " + device.threads() + " threads");
    }
    if (arguments.length > 0) {
      try (Model model = Model.open(Path.of(arguments[0]))) {
        model.generate("The word of the LORD came", System.out::print);
      }
      System.out.println();
    }
  }
}
