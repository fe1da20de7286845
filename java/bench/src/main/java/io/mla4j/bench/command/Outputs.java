package io.mla4j.bench.command;

import io.mla4j.Mla4jException;
import io.mla4j.bench.BenchException;
import io.mla4j.bench.CacheTable;
import io.mla4j.bench.CsvReport;
import io.mla4j.bench.JsonReport;
import io.mla4j.bench.MarkdownReport;
import io.mla4j.bench.Plots;
import io.mla4j.bench.Report;
import io.mla4j.bench.TextTable;
import io.mla4j.checkpoint.OutputFile;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Where the results of a measurement go.
 *
 * @param json a file, or - for stdout instead of the tables, or null
 * @param csv a file, or null
 * @param markdown a file, or null
 * @param plot a folder, or null
 * @param budget the memory whose context is told
 */
record Outputs(String json, Path csv, Path markdown, Path plot, CacheTable.Budget budget) {
  /**
   * Before anything is measured, which may take hours.
   *
   * @throws BenchException where a file could not be written
   */
  void check() {
    if (json != null && !json.equals("-")) {
      checkFile("--json", Path.of(json));
    }
    if (csv != null) {
      checkFile("--csv", csv);
    }
    if (markdown != null) {
      checkFile("--markdown", markdown);
    }
    if (plot != null) {
      try {
        Files.createDirectories(plot);
      } catch (IOException e) {
        throw new BenchException("--plot " + plot + " is no folder and cannot be made", e);
      }
      checkFile("--plot", plot.resolve("index.html"));
    }
  }

  private static void checkFile(String option, Path file) {
    try {
      OutputFile.check(file);
    } catch (Mla4jException e) {
      throw new BenchException(option + " " + e.getMessage(), e);
    }
  }

  /** The tables first: a disk may be full. */
  void write(Report report, PrintStream out) throws IOException {
    if ("-".equals(json)) {
      out.println(JsonReport.text(report));
    } else {
      print(report, out);
    }
    out.flush();
    if (json != null && !json.equals("-")) {
      OutputFile.write(Path.of(json), JsonReport.text(report) + "\n");
    }
    if (csv != null) {
      OutputFile.write(csv, CsvReport.text(report));
    }
    if (markdown != null) {
      OutputFile.write(markdown, MarkdownReport.text(report, budget));
    }
    if (plot != null) {
      Plots.write(report, plot, budget);
    }
  }

  private void print(Report report, PrintStream out) {
    out.println(report.machine().summary().replace("; ", "\n") + "\n");
    if (!report.peaks().isEmpty()) {
      out.println(TextTable.of(report.peaks()));
    }
    if (!report.rows().isEmpty()) {
      out.println(TextTable.ofRows(report.rows()));
    }
    if (CacheTable.applies(report)) {
      out.println(CacheTable.of(report, budget));
    }
  }
}
