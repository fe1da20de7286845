package io.mla4j.lab;

/**
 * The shape of attention with grouped keys and values: query head h reads the keys and values of
 * head {@code h / (heads / groups)}.
 *
 * @param heads of the queries, H
 * @param groups heads of keys and values, G, which divide H
 * @param width elements of a head, even
 * @param frequencies radians per position of each rotated pair (i, i + width / 2): width / 2 of
 *     them
 */
public record GroupedShape(int heads, int groups, int width, double[] frequencies) {
  /** Checks that groups divide heads, and the frequencies' count. */
  public GroupedShape {
    if (heads < 1 || groups < 1 || heads % groups != 0) {
      throw new LabException(heads + " heads cannot share " + groups + " heads of keys and values");
    }
    if (width < 2 || width % 2 != 0 || frequencies.length != width / 2) {
      throw new LabException(
          "heads of " + width + " elements cannot have " + frequencies.length + " frequencies");
    }
  }

  /** Pairs of a head, N. */
  public int pairs() {
    return width / 2;
  }

  /** Pairs of all heads of keys: what could be rotated at most. */
  public int components() {
    return groups * pairs();
  }

  /** Query heads that share a head of keys. */
  public int sharing() {
    return heads / groups;
  }

  /** Elements of the keys, and of the values, of all groups. */
  public int keyWidth() {
    return groups * width;
  }
}
