package io.mla4j.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.mla4j.InvalidArgumentException;
import io.mla4j.testkit.ShownCode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.ml.Pipeline;
import org.apache.spark.ml.PipelineModel;
import org.apache.spark.ml.PipelineStage;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Given a table of prompts in a JVM with two tasks at a time, when texts are asked for. */
class MlaGeneratorTest {
  private static SparkSession spark;

  @BeforeAll
  static void open() {
    spark = Sessions.open("local[2]");
  }

  @AfterAll
  static void close() {
    spark.stop();
    MlaGenerator.closeEngines();
  }

  private static Map<String, String> texts(Dataset<Row> rows) {
    Map<String, String> texts = new HashMap<>();
    for (Row row : rows.collectAsList()) {
      texts.put(row.getAs("prompt"), row.getAs("text"));
    }
    return texts;
  }

  private static Map<String, String> expected(List<String> prompts) {
    List<String> generated = Sessions.generated(prompts);
    Map<String, String> texts = new HashMap<>();
    for (int i = 0; i < prompts.size(); i++) {
      texts.put(prompts.get(i), generated.get(i));
    }
    return texts;
  }

  private static Dataset<Row> shown(String model, Dataset<Row> prompts) {
    // begin
    MlaGenerator generator =
        new MlaGenerator()
            .setModel(model) // a path that every executor sees
            .setInputCol("prompt")
            .setOutputCol("text")
            .setMaxTokens(12);
    Dataset<Row> texts = generator.transform(prompts); // with the columns text, error and usage
    // end
    return texts;
  }

  @Test
  void rowsAreWhatGenerateSays() {
    List<String> prompts = Sessions.prompts();
    Dataset<Row> rows = shown(Sessions.MODEL.toString(), Sessions.table(spark, prompts, 4));
    assertArrayEquals(new String[] {"prompt", "text", "error", "usage"}, rows.columns());
    assertEquals(expected(prompts), texts(rows));
  }

  @Test
  void isWhatTheDocumentsShow() throws IOException {
    for (String document : List.of("README.md", "docs/integrations.md")) {
      ShownCode.assertShown(
          "java/spark/src/test/java/io/mla4j/spark/MlaGeneratorTest.java", document);
    }
  }

  @Test
  void tasksShareOneEngine() {
    MlaGenerator.closeEngines();
    Sessions.generator().transform(Sessions.table(spark, Sessions.prompts(), 6)).collectAsList();
    Sessions.generator().transform(Sessions.table(spark, Sessions.prompts(), 3)).collectAsList();
    assertEquals(1, Engines.count());
  }

  @Test
  void prefixIsComputedOnce() {
    MlaGenerator.closeEngines();
    String prefix = "And it came to pass in the days of the king of the land, ".repeat(40);
    MlaGenerator generator = Sessions.generator().setPromptPrefix(prefix).setMaxTokens(4);
    List<String> prompts = Sessions.prompts().subList(0, 6);
    List<Row> rows = generator.transform(Sessions.table(spark, prompts, 1)).collectAsList();
    assertEquals(6, rows.size());
    int computed = 0;
    int all = 0;
    for (Row row : rows) {
      Row usage = row.getAs("usage");
      all += usage.<Integer>getAs("promptTokens");
      computed += usage.<Integer>getAs("promptTokens") - usage.<Integer>getAs("cachedTokens");
      assertEquals(4, usage.<Integer>getAs("generatedTokens"));
    }
    assertTrue(computed < all / 3, computed + " of " + all + " prompt tokens were computed");
  }

  @Test
  void rowThatCannotBeContinuedHasAnError() {
    List<String> prompts = Arrays.asList("In the beginning", null, "so much ".repeat(200));
    MlaGenerator generator = Sessions.generator().setContextTokens(64);
    Map<String, Row> rows = new HashMap<>();
    generator
        .transform(Sessions.table(spark, prompts, 2))
        .collectAsList()
        .forEach(row -> rows.put(row.getAs("prompt"), row));
    assertNull(rows.get(prompts.get(0)).getAs("error"));
    assertEquals("the prompt is null", rows.get(null).getAs("error"));
    Row tooLong = rows.get(prompts.get(2));
    assertNull(tooLong.getAs("text"));
    assertNull(tooLong.getAs("usage"));
    assertTrue(tooLong.<String>getAs("error").contains("the prompt has"), tooLong.toString());
  }

  @Test
  void stageIsSavedAndLoaded(@TempDir Path folder) throws IOException {
    String path = folder.resolve("stage").toString();
    MlaGenerator generator = Sessions.generator().setStopTexts(",").setSeed(7);
    generator.save(path);
    MlaGenerator loaded = MlaGenerator.load(path);
    assertEquals(generator.uid(), loaded.uid());
    assertEquals(explained(generator), explained(loaded));
    assertArrayEquals(new String[] {","}, loaded.getOrDefault(loaded.stopTexts()));

    Dataset<Row> table = Sessions.table(spark, Sessions.prompts().subList(0, 3), 1);
    String pipeline = folder.resolve("pipeline").toString();
    new Pipeline().setStages(new PipelineStage[] {generator}).fit(table).save(pipeline);
    assertEquals(
        texts(generator.transform(table)), texts(PipelineModel.load(pipeline).transform(table)));
  }

  /** Arrays are shown by their identity. */
  private static String explained(MlaGenerator generator) {
    return generator.explainParams().replaceAll("@[0-9a-f]+", "");
  }

  @Test
  void whatDoesNotFitIsRefusedBeforeTheJob() {
    Dataset<Row> table = Sessions.table(spark, List.of("a"), 1);
    assertRefused("inputCol is other", Sessions.generator().setInputCol("other"), table);
    assertRefused("outputCol is prompt", Sessions.generator().setOutputCol("prompt"), table);
    assertRefused("errorCol is text", Sessions.generator().setErrorCol("text"), table);
    assertRefused("model is not set", new MlaGenerator().setInputCol("prompt"), table);
    assertRefused("maxTokens is 0", Sessions.generator().setMaxTokens(0), table);
    assertRefused("topP is 2.0", Sessions.generator().setTopP(2), table);
    assertRefused("must be text", Sessions.generator().setInputCol("id"), spark.range(3).toDF());
  }

  private static void assertRefused(String part, MlaGenerator generator, Dataset<Row> table) {
    String message =
        assertThrows(InvalidArgumentException.class, () -> generator.transform(table)).getMessage();
    assertTrue(message.contains(part), message);
  }
}
