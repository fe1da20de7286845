package io.mla4j.engine.json;

import java.util.function.IntConsumer;

/**
 * What a text waits for at some place, and, in {@code then}, what it waits for once that has come.
 * Immutable; equal ones wait for the same.
 */
interface Frame {
  /** Adds what is waited for behind the byte {@code b}; nothing where it must not come. */
  void step(int b, Frames to);

  /** Whether nothing more needs to come. */
  default boolean mayEnd() {
    return false;
  }

  /** Adds what is waited for behind the token {@code id}, which is no text. */
  default void stepToken(int id, Frames to) {}

  /** Gives the tokens that are no text and may come. */
  default void awaited(IntConsumer to) {}

  /** Nothing: the text is complete. */
  record Done() implements Frame {
    @Override
    public void step(int b, Frames to) {}

    @Override
    public boolean mayEnd() {
      return true;
    }
  }

  /**
   * A value of a rule, which may begin in several ways: never waited for itself, but for each of
   * these ways.
   *
   * @param depth objects and arrays that it is in
   */
  record Later(Rule rule, int depth, Frame then) implements Frame {
    @Override
    public void step(int b, Frames to) {
      throw new IllegalStateException("a value is not opened");
    }
  }

  /** The bytes of a text, from {@code at} on. */
  record Text(Bytes bytes, int at, Frame then) implements Frame {
    static Frame of(Bytes bytes, Frame then) {
      return bytes.length() == 0 ? then : new Text(bytes, 0, then);
    }

    @Override
    public void step(int b, Frames to) {
      if (bytes.at(at) == b) {
        to.add(at + 1 == bytes.length() ? then : new Text(bytes, at + 1, then));
      }
    }
  }

  /** A token that is no text. */
  record Token(int id, Frame then) implements Frame {
    @Override
    public void step(int b, Frames to) {}

    @Override
    public void stepToken(int token, Frames to) {
      if (token == id) {
        to.add(then);
      }
    }

    @Override
    public void awaited(IntConsumer to) {
      to.accept(id);
    }
  }

  /** One of some texts, behind the bytes that lead to {@code node}. */
  record OneOf(TextTree.Node node, Frame then) implements Frame {
    @Override
    public void step(int b, Frames to) {
      TextTree.Node next = node.next(b);
      if (next == null) {
        return;
      }
      if (next.index() >= 0) {
        to.add(then);
      }
      if (!next.isLeaf()) {
        to.add(new OneOf(next, then));
      }
    }
  }

  /**
   * White space, of which a bounded amount may come.
   *
   * @param left how much
   */
  record Gap(Kind kind, int left, Frame then) implements Frame {
    /** Which one. */
    enum Kind {
      /** Spaces. */
      SPACE,
      /** A space, or a new line and spaces or tabs. */
      LINE,
      /** Spaces or tabs. */
      INDENT,
      /** Anything that JSON has. */
      ANY
    }

    private static final int WIDEST = 64;

    /** One space. */
    static Frame space(Frame then) {
      return new Gap(Kind.SPACE, 1, then);
    }

    /** One space, or a line break and the indentation of so many levels. */
    static Frame line(int depth, Frame then) {
      return new Gap(Kind.LINE, Math.min(WIDEST, 4 * depth), then);
    }

    @Override
    public void step(int b, Frames to) {
      boolean isBlank = b == ' ' || b == '\t' && kind != Kind.SPACE;
      switch (kind) {
        case LINE -> {
          if (b == ' ') {
            to.add(then);
          } else if (b == '\n') {
            to.add(left == 0 ? then : new Gap(Kind.INDENT, left, then));
          }
        }
        case SPACE, INDENT, ANY -> {
          if (isBlank || kind == Kind.ANY && (b == '\n' || b == '\r')) {
            to.add(left == 1 ? then : new Gap(kind, left - 1, then));
          }
        }
      }
      to.stepFrom(then, b);
    }

    @Override
    public void stepToken(int id, Frames to) {
      to.stepTokenFrom(then, id);
    }

    @Override
    public void awaited(IntConsumer to) {
      Frames.opened(then).forEach(each -> each.awaited(to));
    }
  }

  /**
   * A string behind its first quote.
   *
   * @param state of {@link StringBytes}
   * @param count its characters so far, as far as they matter
   */
  record InString(Rule.StringRule rule, int state, int count, Frame then) implements Frame {
    @Override
    public void step(int b, Frames to) {
      int next = StringBytes.next(state, b);
      if (next == StringBytes.END) {
        if (count >= rule.least()) {
          to.add(then);
        }
      } else if (next >= 0 && (state != StringBytes.TEXT || count < rule.most())) {
        int now = next == StringBytes.TEXT ? rule.counted(count) : count;
        to.add(new InString(rule, next, now, then));
      }
    }

    /** Whether it is between two characters. */
    boolean isBetween() {
      return state == StringBytes.TEXT;
    }

    /** Characters that must still come. */
    int needed() {
      return Math.max(0, rule.least() - count);
    }

    /** Characters that may still come. */
    int room() {
      return rule.isEndless() ? rule.most() : rule.most() - count;
    }
  }

  /**
   * Any text, up to what ends it.
   *
   * @param state of {@link StringBytes}, of which only characters matter
   * @param matched bytes of the end that were there
   */
  record Raw(Rule.RawRule rule, int state, int matched, Frame then) implements Frame {
    @Override
    public void step(int b, Frames to) {
      boolean isAscii = state == StringBytes.TEXT && b < 0x80;
      int next = isAscii ? StringBytes.TEXT : StringBytes.next(state, b);
      int now = rule.matched(matched, b);
      if (next >= 0) {
        boolean ends = rule.token() < 0 && rule.isWhole(now);
        to.add(ends ? then : new Raw(rule, next, now, then));
      }
    }

    private boolean awaitsToken() {
      return rule.token() >= 0 && state == StringBytes.TEXT && rule.isWhole(matched);
    }

    @Override
    public void stepToken(int id, Frames to) {
      if (id == rule.token() && awaitsToken()) {
        to.add(then);
      }
    }

    @Override
    public void awaited(IntConsumer to) {
      if (awaitsToken()) {
        to.accept(rule.token());
      }
    }
  }
}
