package io.mla4j.bench;

import java.util.ArrayList;
import java.util.List;

/** What a run found out. */
public record Report(Machine machine, List<Peak> peaks, List<Row> rows) {
  /** Both reports; the machine and, where both have them, the peaks of this one. */
  public Report and(Report other) {
    List<Peak> allPeaks = new ArrayList<>(peaks);
    other.peaks.stream()
        .filter(p -> peaks.stream().noneMatch(p::isSameLimit))
        .forEach(allPeaks::add);
    List<Row> allRows = new ArrayList<>(rows);
    allRows.addAll(other.rows);
    return new Report(machine, allPeaks, allRows);
  }
}
