package io.mla4j.bench;

import io.mla4j.checkpoint.OutputFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.ChartEncoder;
import org.knowm.xchart.internal.chartpart.IChart;

/** Charts as SVG and PNG files. */
final class Pictures {
  private static final int PNG_DPI = 144;

  private Pictures() {}

  /**
   * Writes {@code name.svg} and {@code name.png} and adds them to {@code files}.
   *
   * @return the text of the SVG file
   */
  static String write(IChart chart, Path folder, String name, List<Path> files) throws IOException {
    ByteArrayOutputStream vectors = new ByteArrayOutputStream();
    ChartEncoder.saveChart(chart, vectors, "svg");
    String text = vectors.toString(StandardCharsets.UTF_8);
    Path svg = folder.resolve(name + ".svg");
    OutputFile.write(svg, text);
    files.add(svg);
    byte[] pixels = png(chart);
    Path png = folder.resolve(name + ".png");
    OutputFile.write(png, channel -> channel.write(ByteBuffer.wrap(pixels)));
    files.add(png);
    return text;
  }

  /** The encoder tells pictures in a file alone how large they are. */
  private static byte[] png(IChart chart) throws IOException {
    Path file = Files.createTempFile("mla4j-plot-", ".png");
    try {
      BitmapEncoder.saveBitmapWithDPI(
          chart, file.toString(), BitmapEncoder.BitmapFormat.PNG, PNG_DPI);
      return Files.readAllBytes(file);
    } finally {
      Files.delete(file);
    }
  }

  /** What to throw where Java cannot draw letters. */
  static BenchException withoutFonts(Throwable cause) {
    return new BenchException(
        "pictures need the fonts of the system (fontconfig and one font): " + cause.getMessage(),
        cause);
  }
}
