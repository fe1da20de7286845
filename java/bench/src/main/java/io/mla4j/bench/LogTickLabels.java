package io.mla4j.bench;

import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.font.TextLayout;
import java.awt.geom.AffineTransform;
import java.awt.geom.Rectangle2D;
import java.text.DecimalFormat;
import org.knowm.xchart.internal.chartpart.Annotation;
import org.knowm.xchart.style.XYStyler;

/**
 * The labels 2 and 5 between the decades of a logarithmic axis: the library labels all of 1 to 9,
 * which overlap, or decades alone, of which there may be only one.
 */
final class LogTickLabels extends Annotation {
  /** Of a decade, in pixels; on a shorter one the labels of x would touch each other. */
  private static final double LEAST_DECADE_X = 160;

  private static final double LEAST_DECADE_Y = 60;

  /** Between the plot and its axes, as the library has it. */
  private static final int MARGIN = 5;

  private final boolean horizontal;
  private final double min;
  private final double max;
  private final DecimalFormat format;

  /** For an axis from {@code min} to {@code max}. */
  LogTickLabels(boolean horizontal, double min, double max, DecimalFormat format) {
    super(false);
    this.horizontal = horizontal;
    this.min = min;
    this.max = max;
    this.format = format;
  }

  @Override
  public void paint(Graphics2D g) {
    double length =
        horizontal
            ? getXAxisScreenValue(max) - getXAxisScreenValue(min)
            : getYAxisScreenValue(min) - getYAxisScreenValue(max);
    double decade = length / Math.log10(max / min);
    if (decade < (horizontal ? LEAST_DECADE_X : LEAST_DECADE_Y)) {
      return;
    }
    XYStyler style = (XYStyler) styler;
    g.setColor(style.getAxisTickLabelsColor());
    for (int exponent = (int) Math.floor(Math.log10(min));
        Math.pow(10, exponent) < max;
        exponent++) {
      for (int digit : new int[] {2, 5}) {
        double value = digit * Math.pow(10, exponent);
        if (value >= min && value <= max) {
          label(g, value, style);
        }
      }
    }
  }

  private void label(Graphics2D g, double value, XYStyler style) {
    Font font = style.getAxisTickLabelsFont();
    TextLayout text = new TextLayout(format.format(value), font, g.getFontRenderContext());
    Rectangle2D size = text.getBounds();
    int gap = style.getAxisTickPadding() + style.getAxisTickMarkLength();
    double x;
    double y;
    if (horizontal) {
      x = getXAxisScreenValue(value) - size.getCenterX();
      y = getYAxisScreenValueForMax() + MARGIN + gap + size.getHeight();
    } else {
      x = getXAxisScreenValueForMin() - MARGIN - gap - size.getMaxX();
      y = getYAxisScreenValue(value) - size.getCenterY();
    }
    g.fill(text.getOutline(AffineTransform.getTranslateInstance(x, y)));
  }
}
