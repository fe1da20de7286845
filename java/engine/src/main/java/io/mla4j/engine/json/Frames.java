package io.mla4j.engine.json;

import java.util.LinkedHashSet;
import java.util.Set;

/** What a text may wait for at some place: one of several frames. Values in it are opened. */
final class Frames {
  /** More are forgotten: what the text may be is narrower then, but never wrong. */
  private static final int MOST = 256;

  private final Set<Frame> all = new LinkedHashSet<>();

  void add(Frame frame) {
    if (frame instanceof Frame.Later(Rule rule, int depth, Frame then)) {
      rule.open(depth, then, this);
    } else if (all.size() < MOST) {
      all.add(frame);
    }
  }

  /** Takes the byte {@code b} from each way in which {@code frame} may go on. */
  void stepFrom(Frame frame, int b) {
    for (Frame each : opened(frame)) {
      each.step(b, this);
    }
  }

  /** As above with a token that is no text. */
  void stepTokenFrom(Frame frame, int id) {
    for (Frame each : opened(frame)) {
      each.stepToken(id, this);
    }
  }

  /** The ways in which a frame may go on. */
  static Set<Frame> opened(Frame frame) {
    Frames frames = new Frames();
    frames.add(frame);
    return frames.all;
  }

  /** Whether nothing more needs to come. */
  static boolean mayEnd(Frame frame) {
    return opened(frame).stream().anyMatch(Frame::mayEnd);
  }

  Set<Frame> all() {
    return all;
  }
}
