package io.mla4j.bench;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.text.DecimalFormat;
import java.text.DecimalFormatSymbols;
import java.util.Arrays;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.HeatMapChart;
import org.knowm.xchart.HeatMapChartBuilder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.AxesChartStyler;
import org.knowm.xchart.style.CategoryStyler;
import org.knowm.xchart.style.HeatMapStyler;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.XYStyler;
import org.knowm.xchart.style.markers.Marker;
import org.knowm.xchart.style.markers.SeriesMarkers;

/**
 * How every chart looks: readable at the width of a README, and by people who do not see colours.
 */
final class PlotStyle {
  private static final int WIDTH = 900;
  private static final int HEIGHT = 540;

  /** Okabe and Ito's colours. */
  private static final Color[] COLORS = {
    new Color(0x0072B2),
    new Color(0xD55E00),
    new Color(0x009E73),
    new Color(0xCC79A7),
    new Color(0xE69F00),
    new Color(0x56B4E9),
    new Color(0x000000),
    new Color(0x999933)
  };

  private static final Marker[] MARKERS = {
    SeriesMarkers.CIRCLE,
    SeriesMarkers.SQUARE,
    SeriesMarkers.DIAMOND,
    SeriesMarkers.TRIANGLE_UP,
    SeriesMarkers.TRIANGLE_DOWN,
    SeriesMarkers.CROSS
  };

  /** Light enough for black letters. */
  private static final Color[] HEAT = {
    new Color(0xF7FBFF), new Color(0x9ECAE1), new Color(0xFDAE6B), new Color(0xE6550D)
  };

  /** Changes in per cent from here on have one colour. */
  private static final double DARKEST = 60;

  private static final String NUMBERS = "#,##0.###";

  /** Where a bar's value stands, in heights of the bar. */
  private static final double ABOVE = 1.06;

  private PlotStyle() {}

  static XYChart chart(String title, String x, String y) {
    XYChart chart =
        new XYChartBuilder()
            .width(WIDTH)
            .height(HEIGHT)
            .title(title)
            .xAxisTitle(x)
            .yAxisTitle(y)
            .build();
    dress(chart.getStyler());
    return chart;
  }

  /** Bars in groups, with their values above them. */
  static CategoryChart bars(String title, String x, String y) {
    CategoryChart chart =
        new CategoryChartBuilder()
            .width(WIDTH)
            .height(HEIGHT)
            .title(title)
            .xAxisTitle(x)
            .yAxisTitle(y)
            .build();
    CategoryStyler style = chart.getStyler();
    dress(style);
    style.setYAxisMin(0.0);
    style.setLabelsVisible(true);
    style.setLabelsPosition(ABOVE);
    style.setLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
    style.setLabelsFontColorAutomaticEnabled(false);
    style.setLabelsFontColor(Color.BLACK);
    return chart;
  }

  private static void dress(AxesChartStyler style) {
    dressAxes(style);
    style.setSeriesColors(COLORS);
    style.setSeriesMarkers(MARKERS);
    // A formatting function would make logarithmic axes count linearly.
    style.setXAxisDecimalPattern(NUMBERS);
    style.setYAxisDecimalPattern(NUMBERS);
  }

  private static void dressAxes(AxesChartStyler style) {
    style.setChartBackgroundColor(Color.WHITE);
    style.setPlotBackgroundColor(Color.WHITE);
    style.setPlotBorderVisible(false);
    style.setPlotGridLinesColor(new Color(0xDDDDDD));
    style.setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 18));
    style.setAxisTitleFont(new Font(Font.SANS_SERIF, Font.PLAIN, 16));
    style.setAxisTickLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 14));
    style.setLegendFont(new Font(Font.SANS_SERIF, Font.PLAIN, 14));
    style.setLegendPosition(LegendPosition.OutsideE);
    style.setLegendBorderColor(Color.WHITE);
    style.setYAxisLabelAlignment(AxesChartStyler.TextAlignment.Right);
    style.setMarkerSize(8);
    style.setLocale(Locale.ROOT);
  }

  /** Both axes count by powers; call it when the chart has all its series. */
  static void logarithmic(XYChart chart) {
    XYStyler style = chart.getStyler();
    style.setXAxisLogarithmic(true);
    style.setYAxisLogarithmic(true);
    double[] x = range(chart, XYSeries::getXMin, XYSeries::getXMax);
    double[] y = range(chart, XYSeries::getYMin, XYSeries::getYMax);
    style.setXAxisMin(x[0]);
    style.setXAxisMax(x[1]);
    style.setYAxisMin(y[0]);
    style.setYAxisMax(y[1]);
    DecimalFormat format =
        new DecimalFormat(NUMBERS, DecimalFormatSymbols.getInstance(Locale.ROOT));
    chart.addAnnotation(new LogTickLabels(true, x[0], x[1], format));
    chart.addAnnotation(new LogTickLabels(false, y[0], y[1], format));
  }

  /** From below the least to above the most, so that no point lies on the border. */
  private static double[] range(
      XYChart chart, ToDoubleFunction<XYSeries> min, ToDoubleFunction<XYSeries> max) {
    double least = chart.getSeriesCollection().stream().mapToDouble(min).min().orElse(1);
    double most = chart.getSeriesCollection().stream().mapToDouble(max).max().orElse(1);
    return new double[] {least / 1.3, most * 1.3};
  }

  /** The y axis starts at zero, and ends at {@code max} unless that is NaN. */
  static void fromZero(XYChart chart, double max) {
    chart.getStyler().setYAxisMin(0.0);
    if (!Double.isNaN(max)) {
      chart.getStyler().setYAxisMax(max);
    }
  }

  /** The x axis has a mark for each number up to {@code max}, not more. */
  static void wholeNumbers(XYChart chart, int max) {
    XYStyler style = chart.getStyler();
    style.setXAxisMin(0.0);
    style.setXAxisMax(max + 0.5);
    style.setXAxisTickLabelsFormattingFunction(
        x -> x == Math.rint(x) ? Long.toString(Math.round(x)) : "");
  }

  static void addLine(XYChart chart, String name, double[] x, double[] y) {
    chart.addSeries(name, x, y).setLineWidth(2);
  }

  /**
   * Points without a line.
   *
   * @param color the number of their colour
   * @param crosses whether they are crosses, else dots
   */
  static XYSeries addPoints(
      XYChart chart, String name, int color, boolean crosses, double[] x, double[] y) {
    XYSeries series = chart.addSeries(name, x, y);
    series.setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
    series.setMarker(crosses ? SeriesMarkers.CROSS : SeriesMarkers.CIRCLE);
    series.setMarkerColor(COLORS[color % COLORS.length]);
    return series;
  }

  /** Points of a colour that the legend explains by another series. */
  static void addUnnamedPoints(XYChart chart, String name, int color, double[] x, double[] y) {
    addPoints(chart, name, color, false, x, y).setShowInLegend(false);
  }

  /** A line without marks at its points. */
  static void addCurve(XYChart chart, String name, double[] x, double[] y) {
    XYSeries series = chart.addSeries(name, x, y);
    series.setMarker(SeriesMarkers.NONE);
    series.setLineWidth(2);
  }

  /** The y axis counts by powers, from {@code least} to 1. */
  static void logarithmicShares(XYChart chart, double least) {
    chart.getStyler().setYAxisLogarithmic(true);
    chart.getStyler().setYAxisMin(least);
    chart.getStyler().setYAxisMax(1.0);
    chart.getStyler().setYAxisDecimalPattern("0.#####");
  }

  /** Numbers of cells, from light to dark. */
  static HeatMapChart heatMap(String title, String x, String y) {
    HeatMapChart chart =
        new HeatMapChartBuilder()
            .width(WIDTH)
            .height(HEIGHT)
            .title(title)
            .xAxisTitle(x)
            .yAxisTitle(y)
            .build();
    HeatMapStyler style = chart.getStyler();
    dressAxes(style);
    style.setLegendVisible(false);
    style.setShowValue(true);
    style.setHeatMapValueDecimalPattern("0.0");
    style.setValueFont(new Font(Font.SANS_SERIF, Font.PLAIN, 14));
    style.setRangeColors(HEAT);
    return chart;
  }

  /** Colours from the least of these values on; large ones look alike. */
  static void colours(HeatMapChart chart, double... values) {
    double least = Arrays.stream(values).min().orElse(0);
    double most = Arrays.stream(values).max().orElse(1);
    chart.getStyler().setMin(least);
    chart.getStyler().setMax(Math.max(least + 1, Math.min(most, DARKEST)));
  }

  /** A dashed line, black or grey. */
  static void addLimit(XYChart chart, String name, boolean black, double[] x, double[] y) {
    XYSeries series = chart.addSeries(name, x, y);
    series.setMarker(SeriesMarkers.NONE);
    series.setLineColor(black ? Color.BLACK : Color.GRAY);
    series.setLineStyle(
        new BasicStroke(
            2, BasicStroke.CAP_BUTT, BasicStroke.JOIN_BEVEL, 10, new float[] {8, 4}, 0));
  }

  static String count(int n, String thing) {
    return n + " " + thing + (n == 1 ? "" : "s");
  }
}
