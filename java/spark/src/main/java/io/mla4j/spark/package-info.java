/** Generation over the rows of a Spark data set: {@link io.mla4j.spark.MlaGenerator}. */
package io.mla4j.spark;
