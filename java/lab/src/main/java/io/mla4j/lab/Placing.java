package io.mla4j.lab;

/** A method to place the rotation of a layer in a shared key of so many elements. */
interface Placing {
  /**
   * The placement of a layer.
   *
   * @param width rotated elements of the shared key, even, 0 to groups x width
   * @throws LabException where the method cannot place so many
   */
  Placement place(Moments moments, int width);
}
