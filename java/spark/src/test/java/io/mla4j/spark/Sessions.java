package io.mla4j.spark;

import io.mla4j.text.GenerationOptions;
import io.mla4j.text.Model;
import io.mla4j.text.SamplingOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** What the tests of both masters share. */
final class Sessions {
  static final Path MODEL = Path.of(System.getProperty("mla4j.root"), "models/tiny-mla");
  static final int TOKENS = 12;

  private static final List<String> BEGINNINGS =
      List.of("In the beginning", "And God said", "The word of the LORD came", "Blessed are");

  private Sessions() {}

  static SparkSession open(String master) {
    Path target = Path.of("target").toAbsolutePath();
    return SparkSession.builder()
        .master(master)
        .appName("mla4j")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.warehouse.dir", target.resolve("warehouse").toString())
        .config("spark.local.dir", target.resolve("spark").toString())
        .config("spark.executor.extraClassPath", classPath())
        .config("spark.executorEnv.JAVA_HOME", System.getProperty("java.home"))
        .getOrCreate();
  }

  /** Surefire starts a JVM with one jar that names the others. */
  private static String classPath() {
    return System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
  }

  static List<String> prompts() {
    return IntStream.range(0, 12)
        .mapToObj(i -> BEGINNINGS.get(i % 4) + " " + "the king ".repeat(i / 4))
        .toList();
  }

  static Dataset<Row> table(SparkSession spark, List<String> prompts, int partitions) {
    return spark.createDataset(prompts, Encoders.STRING()).toDF("prompt").repartition(partitions);
  }

  static MlaGenerator generator() {
    return new MlaGenerator()
        .setModel(MODEL.toString())
        .setInputCol("prompt")
        .setOutputCol("text")
        .setMaxTokens(TOKENS)
        .setParallel(4)
        .setThreads(1);
  }

  /** What the command's {@code generate} says, one prompt after the other. */
  static List<String> generated(List<String> prompts) {
    try (Model model = Model.open(MODEL)) {
      GenerationOptions options = GenerationOptions.of(TOKENS, SamplingOptions.GREEDY);
      return prompts.stream().map(prompt -> text(model, prompt, options)).toList();
    }
  }

  private static String text(Model model, String prompt, GenerationOptions options) {
    StringBuilder text = new StringBuilder();
    model.generate(prompt, options, text::append);
    return text.toString();
  }
}
