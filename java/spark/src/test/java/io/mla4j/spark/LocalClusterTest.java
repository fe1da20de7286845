package io.mla4j.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;

/**
 * Given a cluster of two executors, each a JVM with two tasks at a time, when texts are asked for,
 * then both write some, with one engine each, and they are what generate says.
 */
class LocalClusterTest {
  @Test
  void twoExecutorsWriteTheTextsOfOne() throws IOException {
    List<String> prompts = Sessions.prompts();
    try (SparkSession spark = Sessions.open("local-cluster[2,2,1024]")) {
      Dataset<Row> rows = Sessions.generator().transform(Sessions.table(spark, prompts, 8)).cache();
      Set<String> executors = new TreeSet<>();
      List<String> texts = new ArrayList<>(prompts);
      rows.mapPartitions(
              (MapPartitionsFunction<Row, String>) part -> List.of(executor()).iterator(),
              Encoders.STRING())
          .collectAsList()
          .forEach(executors::add);
      for (Row row : rows.collectAsList()) {
        texts.set(prompts.indexOf(row.<String>getAs("prompt")), row.getAs("text"));
      }
      assertEquals(Set.of("0 has 1", "1 has 1"), executors);
      assertEquals(Sessions.generated(prompts), texts);
    }
  }

  private static String executor() {
    return SparkEnv.get().executorId() + " has " + Engines.count();
  }
}
