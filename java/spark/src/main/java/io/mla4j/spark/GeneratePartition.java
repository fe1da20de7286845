package io.mla4j.spark;

import io.mla4j.Mla4jException;
import io.mla4j.engine.Answer;
import io.mla4j.engine.Engine;
import io.mla4j.engine.Result;
import io.mla4j.engine.Usage;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.concurrent.ExecutionException;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.util.TaskCompletionListener;

/**
 * The rows of a partition, in their order, each with its text, error and usage. Up to twice as many
 * rows as the engine writes at once are with it, so that none of its places waits for this task;
 * the first one begins alone where all have a prefix, which the others then find in the cache.
 */
final class GeneratePartition implements MapPartitionsFunction<Row, Row> {
  private static final long serialVersionUID = 1L;
  private final Job job;

  GeneratePartition(Job job) {
    this.job = job;
  }

  @Override
  public Iterator<Row> call(Iterator<Row> rows) {
    Generated generated = new Generated(job, Engines.of(job.engine()), rows);
    TaskContext task = TaskContext.get();
    if (task != null) {
      TaskCompletionListener cancel = ended -> generated.cancel();
      task.addTaskCompletionListener(cancel);
    }
    return generated;
  }

  /** A row on its way: with an answer, or with an error at once. */
  private record Pending(Row row, Answer answer, String error) {}

  private static final class Generated implements Iterator<Row> {
    private final Job job;
    private final Engine engine;
    private final Iterator<Row> rows;
    private final Deque<Pending> pending = new ArrayDeque<>();
    private boolean begun;

    Generated(Job job, Engine engine, Iterator<Row> rows) {
      this.job = job;
      this.engine = engine;
      this.rows = rows;
    }

    @Override
    public boolean hasNext() {
      return !pending.isEmpty() || rows.hasNext();
    }

    @Override
    public Row next() {
      while (rows.hasNext() && pending.size() < 2 * job.engine().parallel()) {
        Pending next = submit(rows.next());
        pending.add(next);
        if (!begun && !job.prefix().isEmpty() && next.answer() != null) {
          awaitFirstToken(next.answer());
        }
        begun = true;
      }
      return finish(pending.remove());
    }

    private Pending submit(Row row) {
      if (row.isNullAt(job.input())) {
        return new Pending(row, null, "the prompt is null");
      }
      try {
        return new Pending(row, engine.submit(job.request(row.getString(job.input()))), null);
      } catch (Mla4jException refused) {
        return new Pending(row, null, refused.getMessage());
      }
    }

    private static void awaitFirstToken(Answer answer) {
      try {
        answer.next();
      } catch (InterruptedException e) {
        throw interrupted();
      }
    }

    private static Row finish(Pending one) {
      if (one.answer() == null) {
        return with(one.row(), null, one.error(), null);
      }
      try {
        Result.Choice choice = one.answer().result().get().choices().getFirst();
        return with(one.row(), choice.text(), null, choice.usage());
      } catch (InterruptedException e) {
        throw interrupted();
      } catch (ExecutionException e) {
        return with(one.row(), null, e.getCause().getMessage(), null);
      }
    }

    private static Row with(Row row, String text, String error, Usage usage) {
      Object[] values = new Object[row.length() + 3];
      for (int i = 0; i < row.length(); i++) {
        values[i] = row.get(i);
      }
      values[row.length()] = text;
      values[row.length() + 1] = error;
      values[row.length() + 2] =
          usage == null
              ? null
              : RowFactory.create(
                  usage.promptTokens(), usage.cachedTokens(), usage.generatedTokens());
      return RowFactory.create(values);
    }

    /** Of a task that was killed, or of one whose rows nobody wants any more. */
    void cancel() {
      pending.stream().map(Pending::answer).filter(a -> a != null).forEach(Answer::cancel);
    }

    /** Spark kills tasks by interrupts. */
    private static RuntimeException interrupted() {
      Thread.currentThread().interrupt();
      return new IllegalStateException("interrupted while waiting for a text");
    }
  }
}
