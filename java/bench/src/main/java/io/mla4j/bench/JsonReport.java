package io.mla4j.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A report as one JSON object: {@code machine}, {@code peaks}, {@code rows}. */
public final class JsonReport {
  private static final ObjectMapper MAPPER =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private JsonReport() {}

  /** The text; its fields are those of {@link Machine} and the names of {@link Column}. */
  public static String text(Report report) {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("machine", report.machine());
    all.put("peaks", objects(Column.PEAKS, report.peaks()));
    all.put("rows", objects(Column.ROWS, report.rows()));
    try {
      return MAPPER.writeValueAsString(all);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static <T> List<Map<String, Object>> objects(List<Column<T>> columns, List<T> items) {
    return items.stream()
        .map(
            item -> {
              Map<String, Object> fields = new LinkedHashMap<>();
              columns.forEach(c -> fields.put(c.name(), c.value().apply(item)));
              return fields;
            })
        .toList();
  }
}
