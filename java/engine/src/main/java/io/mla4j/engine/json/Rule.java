package io.mla4j.engine.json;

import java.util.List;

/**
 * What a piece of text may be. Rules refer to each other, also to themselves; each is equal to
 * itself alone.
 */
abstract class Rule {
  /** Levels of objects and lists in a text, at most. */
  static final int DEEPEST = 64;

  /** As {@link #height} where no text is finite. */
  static final int ENDLESS = 1 << 20;

  private int height = ENDLESS;

  /**
   * Adds what is waited for at the beginning.
   *
   * @param depth objects and lists that it is in
   */
  abstract void open(int depth, Frame then, Frames to);

  /**
   * The levels of the flattest text of this rule, given those of others as far as they are known.
   */
  abstract int findHeight();

  /** The rules that may begin where this one does, without a byte before them. */
  List<Rule> beginsWith() {
    return List.of();
  }

  /** The levels of the flattest text; known after {@link #settle}. */
  final int height() {
    return height;
  }

  /** Whether one of its texts fits at a depth. */
  final boolean fits(int depth) {
    return depth + height <= DEEPEST;
  }

  /** Finds the heights of rules that refer to each other. */
  static void settle(List<Rule> rules) {
    boolean changed = true;
    while (changed) {
      changed = false;
      for (Rule rule : rules) {
        int found = Math.min(ENDLESS, rule.findHeight());
        changed |= found != rule.height;
        rule.height = found;
      }
    }
  }

  /** A fixed text. */
  static final class TextRule extends Rule {
    private final Bytes bytes;

    TextRule(String text) {
      bytes = new Bytes(text);
    }

    @Override
    void open(int depth, Frame then, Frames to) {
      to.add(Frame.Text.of(bytes, then));
    }

    @Override
    int findHeight() {
      return 0;
    }
  }

  /** A token that is no text. */
  static final class TokenRule extends Rule {
    private final int id;

    TokenRule(int id) {
      this.id = id;
    }

    @Override
    void open(int depth, Frame then, Frames to) {
      to.add(new Frame.Token(id, then));
    }

    @Override
    int findHeight() {
      return 0;
    }
  }

  /** White space of any kind, up to some. */
  static final class GapRule extends Rule {
    private final int most;

    GapRule(int most) {
      this.most = most;
    }

    @Override
    void open(int depth, Frame then, Frames to) {
      to.add(new Frame.Gap(Frame.Gap.Kind.ANY, most, then));
    }

    @Override
    int findHeight() {
      return 0;
    }
  }

  /** Any text up to some bytes, or up to a token that is no text, which are part of it. */
  static final class RawRule extends Rule {
    private final Bytes before;
    private final int token;

    /** Of each count of bytes that match: of how many the longest shorter match is. */
    private final int[] shorter;

    /**
     * Such a text.
     *
     * @param before what ends it, or comes before the token
     * @param token what ends it; -1 for none
     */
    RawRule(String before, int token) {
      this.before = new Bytes(before);
      this.token = token;
      shorter = new int[this.before.length() + 1];
      for (int i = 1; i < this.before.length(); i++) {
        shorter[i + 1] = matched(shorter[i], this.before.at(i), i);
      }
    }

    int token() {
      return token;
    }

    /** Whether so many bytes are all that ends it, or all before the token. */
    boolean isWhole(int matched) {
      return matched == before.length();
    }

    /** How many bytes match behind {@code b}, given how many did before it. */
    int matched(int matched, int b) {
      return matched(matched, b, before.length());
    }

    private int matched(int matched, int b, int length) {
      int now = matched;
      while (now == length && now > 0 || now > 0 && before.at(now) != b) {
        now = shorter[now];
      }
      return now < length && before.at(now) == b ? now + 1 : now;
    }

    @Override
    void open(int depth, Frame then, Frames to) {
      to.add(new Frame.Raw(this, StringBytes.TEXT, 0, then));
    }

    @Override
    int findHeight() {
      return 0;
    }
  }

  /** One after the other. */
  static final class SequenceRule extends Rule {
    private final List<Rule> parts;

    SequenceRule(List<Rule> parts) {
      this.parts = List.copyOf(parts);
    }

    @Override
    void open(int depth, Frame then, Frames to) {
      Frame rest = then;
      for (Rule part : parts.reversed()) {
        rest = new Frame.Later(part, depth, rest);
      }
      to.add(rest);
    }

    @Override
    int findHeight() {
      return parts.stream().mapToInt(Rule::height).max().orElse(0);
    }

    @Override
    List<Rule> beginsWith() {
      return parts.isEmpty() ? List.of() : List.of(parts.getFirst());
    }
  }

  /** One of several. */
  static final class ChoiceRule extends Rule {
    private List<Rule> choices = List.of();

    ChoiceRule() {}

    ChoiceRule(List<Rule> choices) {
      this.choices = List.copyOf(choices);
    }

    /** Says later what the choices are, which may refer to this one. */
    void set(List<Rule> all) {
      choices = List.copyOf(all);
    }

    @Override
    void open(int depth, Frame then, Frames to) {
      for (Rule choice : choices) {
        if (choice.fits(depth)) {
          choice.open(depth, then, to);
        }
      }
    }

    @Override
    int findHeight() {
      return choices.stream().mapToInt(Rule::height).min().orElse(ENDLESS);
    }

    @Override
    List<Rule> beginsWith() {
      return choices;
    }
  }

  /** One of some texts. */
  static final class OneOfRule extends Rule {
    private final TextTree.Node tree;

    OneOfRule(List<String> texts) {
      tree = TextTree.of(texts);
    }

    @Override
    void open(int depth, Frame then, Frames to) {
      to.add(new Frame.OneOf(tree, then));
    }

    @Override
    int findHeight() {
      return 0;
    }
  }

  /** A string of so many characters. */
  static final class StringRule extends Rule {
    /** As {@link #most} where there is no limit. */
    static final int ANY_LENGTH = Integer.MAX_VALUE;

    private static final Bytes QUOTE = new Bytes("\"");

    private final int least;
    private final int most;

    StringRule(int least, int most) {
      this.least = least;
      this.most = most;
    }

    int least() {
      return least;
    }

    int most() {
      return most;
    }

    boolean isEndless() {
      return most == ANY_LENGTH;
    }

    /** One character more, as far as it matters. */
    int counted(int count) {
      return isEndless() ? Math.min(least, count + 1) : count + 1;
    }

    @Override
    void open(int depth, Frame then, Frames to) {
      to.add(Frame.Text.of(QUOTE, new Frame.InString(this, StringBytes.TEXT, 0, then)));
    }

    @Override
    int findHeight() {
      return 0;
    }
  }

  /** A number. */
  static final class NumberRule extends Rule {
    @Override
    void open(int depth, Frame then, Frames to) {
      to.add(new NumberFrame(NumberFrame.Part.START, 0, 0, then));
    }

    @Override
    int findHeight() {
      return 0;
    }
  }

  /** A list of values of a rule. */
  static final class ListRule extends Rule {
    /** As {@link #most} where there is no limit. */
    static final int ANY_LENGTH = Integer.MAX_VALUE;

    private static final Bytes OPEN = new Bytes("[");

    private final Rule items;
    private final int least;
    private final int most;

    ListRule(Rule items, int least, int most) {
      this.items = items;
      this.least = least;
      this.most = most;
    }

    Rule items() {
      return items;
    }

    int least() {
      return least;
    }

    int most() {
      return most;
    }

    @Override
    void open(int depth, Frame then, Frames to) {
      Frame inside = new ListFrame(this, 0, false, depth + 1, then);
      to.add(Frame.Text.of(OPEN, Frame.Gap.line(depth + 1, inside)));
    }

    @Override
    int findHeight() {
      return least == 0 ? 1 : 1 + items.height();
    }
  }
}
