package io.mla4j.engine.json;

import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/**
 * Within an object, between its properties.
 *
 * @param seen the properties that were there; never changed
 * @param depth of the values
 */
record ObjectFrame(ObjectRule rule, BitSet seen, Place place, int depth, Frame then)
    implements Frame {
  private static final Bytes COLON = new Bytes(":");

  private static final Rule.StringRule ANY = new Rule.StringRule(0, Rule.StringRule.ANY_LENGTH);

  /** Behind what. */
  enum Place {
    OPEN,
    COMMA,
    VALUE
  }

  @Override
  public void step(int b, Frames to) {
    if (b == '}' && place != Place.COMMA && rule.isComplete(seen)) {
      to.add(then);
    } else if (b == ',' && place == Place.VALUE && hasMore()) {
      to.add(Gap.line(depth, new ObjectFrame(rule, seen, Place.COMMA, depth, then)));
    } else if (b == '"' && place != Place.VALUE && hasMore()) {
      BitSet closed = rule.closed(seen, depth);
      if (rule.names().hasOther(closed)) {
        to.add(new Name(this, closed, rule.names()));
      }
      if (rule.hasOthers(depth)) {
        to.add(
            rule.properties().isEmpty()
                ? anyName(StringBytes.TEXT)
                : new OtherName(this, StringBytes.TEXT, rule.names()));
      }
    }
  }

  private boolean hasMore() {
    return rule.hasOthers(depth) || rule.names().hasOther(rule.closed(seen, depth));
  }

  /** Within a name that is none of the rule's, whatever follows. */
  private Frame anyName(int state) {
    return new InString(ANY, state, 0, value(rule.others(), seen));
  }

  /** What follows the name of a property. */
  private Frame value(Rule value, BitSet nowSeen) {
    Frame after = Gap.line(depth - 1, new ObjectFrame(rule, nowSeen, Place.VALUE, depth, then));
    return Text.of(COLON, Gap.space(new Later(value, depth, after)));
  }

  /**
   * Within the name of a property that the rule has.
   *
   * @param closed properties that must not come
   */
  record Name(ObjectFrame object, BitSet closed, TextTree.Node at) implements Frame {
    @Override
    public void step(int b, Frames to) {
      TextTree.Node next = at.next(b);
      if (next == null || !next.hasOther(closed)) {
        return;
      }
      // The quote ends a name: nothing is below it.
      if (next.index() >= 0) {
        BitSet seen = (BitSet) object.seen().clone();
        seen.set(next.index());
        to.add(object.value(object.rule().properties().get(next.index()).value(), seen));
      } else {
        to.add(new Name(object, closed, next));
      }
    }
  }

  /**
   * Within another name.
   *
   * @param state of {@link StringBytes}
   * @param at where the names of the rule go on in the same way; null where none does
   */
  record OtherName(ObjectFrame object, int state, TextTree.@Nullable Node at) implements Frame {
    @Override
    public void step(int b, Frames to) {
      // A name is spelled in one way alone, so that it is not one of the rule's.
      boolean isSecondSpelling = state == StringBytes.ESCAPE && (b == 'u' || b == '/');
      int next = isSecondSpelling ? StringBytes.WRONG : StringBytes.next(state, b);
      TextTree.Node with = at == null ? null : at.next(b);
      if (next == StringBytes.END) {
        if (with == null) {
          to.add(object.value(object.rule().others(), object.seen()));
        }
      } else if (next >= 0) {
        // Another character than all names have: whatever follows is another name.
        boolean isOther = with == null && at != null && state == StringBytes.TEXT && b != '\\';
        to.add(isOther ? object.anyName(next) : new OtherName(object, next, with));
      }
    }
  }
}
