package io.mla4j.engine.json;

/**
 * Within a list, between its items.
 *
 * @param count items so far, as far as they matter
 * @param comma whether a comma was the last thing
 * @param depth of the items
 */
record ListFrame(Rule.ListRule rule, int count, boolean comma, int depth, Frame then)
    implements Frame {
  @Override
  public void step(int b, Frames to) {
    boolean more = count < rule.most() && rule.items().fits(depth);
    if (b == ']' && !comma && count >= rule.least()) {
      to.add(then);
    } else if (b == ',' && !comma && count > 0 && more) {
      to.add(Gap.line(depth, new ListFrame(rule, count, true, depth, then)));
    } else if ((comma || count == 0) && more) {
      boolean isEndless = rule.most() == Rule.ListRule.ANY_LENGTH;
      int now = isEndless ? Math.min(Math.max(1, rule.least()), count + 1) : count + 1;
      Frame after = Gap.line(depth - 1, new ListFrame(rule, now, false, depth, then));
      to.stepFrom(new Later(rule.items(), depth, after), b);
    }
  }
}
