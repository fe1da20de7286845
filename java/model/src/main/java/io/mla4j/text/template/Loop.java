package io.mla4j.text.template;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** {@code loop}: where a for loop is. */
final class Loop implements Callable {
  private final List<?> items;
  private final int depth;
  private final @Nullable Callable again;
  private int index;
  private @Nullable Object last;
  private boolean asked;

  Loop(List<?> items, int depth, @Nullable Callable again) {
    this.items = items;
    this.depth = depth;
    this.again = again;
  }

  void moveTo(int next) {
    index = next;
  }

  @Nullable Object item() {
    return items.get(index);
  }

  /** An attribute, or null where there is none. */
  @Nullable Object attribute(String name) {
    return switch (name) {
      case "index" -> index + 1L;
      case "index0" -> (long) index;
      case "revindex" -> (long) items.size() - index;
      case "revindex0" -> items.size() - index - 1L;
      case "first" -> index == 0;
      case "last" -> index == items.size() - 1;
      case "length" -> (long) items.size();
      case "depth" -> depth + 1L;
      case "depth0" -> (long) depth;
      case "previtem" ->
          index == 0 ? new Undefined("there is no previous item") : items.get(index - 1);
      case "nextitem" ->
          index == items.size() - 1 ? new Undefined("there is no next item") : items.get(index + 1);
      case "cycle" -> (Callable) this::cycle;
      case "changed" -> (Callable) (_, arguments) -> changed(arguments);
      default -> null;
    };
  }

  private @Nullable Object cycle(Frame frame, Arguments arguments) {
    if (arguments.places().isEmpty()) {
      throw frame.error("no items for cycling given");
    }
    return arguments.places().get(index % arguments.places().size());
  }

  private boolean changed(Arguments arguments) {
    Object now = new Tuple(arguments.places());
    boolean changed = !asked || !Values.equal(last, now);
    asked = true;
    last = now;
    return changed;
  }

  /** {@code loop(items)} of a recursive one. */
  @Override
  public @Nullable Object call(Frame frame, Arguments arguments) {
    if (again == null) {
      throw frame.error("the loop must have the 'recursive' marker to be called recursively");
    }
    return again.call(frame, arguments);
  }
}
