package io.mla4j.engine.json;

import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** An object: its properties in any order, each once, and perhaps others. */
final class ObjectRule extends Rule {
  private static final Bytes OPEN = new Bytes("{");

  /**
   * A property.
   *
   * @param name as it is
   */
  record Property(String name, Rule value, boolean required) {}

  private final List<Property> properties;

  /** What others are; null where there must not be any. */
  private final @Nullable Rule others;

  private final BitSet required = new BitSet();

  /** The names as JSON has them, without the first quote. */
  private final TextTree.Node names;

  ObjectRule(List<Property> properties, @Nullable Rule others) {
    this.properties = List.copyOf(properties);
    this.others = others;
    for (int i = 0; i < properties.size(); i++) {
      required.set(i, properties.get(i).required());
    }
    names =
        TextTree.of(
            properties.stream().map(property -> quoted(property.name()).substring(1)).toList());
  }

  private static String quoted(String name) {
    return PlainJson.write(name);
  }

  List<Property> properties() {
    return properties;
  }

  /** What others are, where there may be any. */
  Rule others() {
    return Objects.requireNonNull(others, "there must not be other properties");
  }

  TextTree.Node names() {
    return names;
  }

  /** Whether it may end with these properties. */
  boolean isComplete(BitSet seen) {
    for (int i = required.nextSetBit(0); i >= 0; i = required.nextSetBit(i + 1)) {
      if (!seen.get(i)) {
        return false;
      }
    }
    return true;
  }

  /** The properties that must not come: those that were there, and those that do not fit. */
  BitSet closed(BitSet seen, int depth) {
    BitSet closed = (BitSet) seen.clone();
    for (int i = 0; i < properties.size(); i++) {
      if (!properties.get(i).value().fits(depth)) {
        closed.set(i);
      }
    }
    return closed;
  }

  /** Whether there may be properties that have no name here. */
  boolean hasOthers(int depth) {
    return others != null && others.fits(depth);
  }

  @Override
  void open(int depth, Frame then, Frames to) {
    Frame inside = new ObjectFrame(this, new BitSet(), ObjectFrame.Place.OPEN, depth + 1, then);
    to.add(Frame.Text.of(OPEN, Frame.Gap.line(depth + 1, inside)));
  }

  @Override
  int findHeight() {
    int highest = 0;
    for (Property property : properties) {
      if (property.required()) {
        highest = Math.max(highest, property.value().height());
      }
    }
    return 1 + highest;
  }
}
