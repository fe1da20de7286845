package io.mla4j.model;

import io.mla4j.AttentionForm;
import io.mla4j.DecodePlan;
import io.mla4j.MlaShape;
import io.mla4j.Step;
import io.mla4j.Step.Queries;
import java.util.List;

/** How the attentions of a step attend: a plan for each of their shapes. Belongs to one thread. */
final class Plans {
  private final List<MlaShape> shapes;
  private final DecodePlan[] plans;

  Plans(List<MlaShape> shapes) {
    this.shapes = shapes;
    this.plans = new DecodePlan[shapes.size()];
  }

  /** The plan of the shape with this index. */
  DecodePlan get(int index) {
    return plans[index];
  }

  /** Plans for all tokens of {@code step}. */
  void make(Step step, AttentionForm form) {
    for (int i = 0; i < plans.length; i++) {
      plans[i] = step.plan(shapes.get(i), form);
    }
  }

  /** Plans for some tokens of {@code step}. */
  void make(Step step, AttentionForm form, Queries[] queries) {
    for (int i = 0; i < plans.length; i++) {
      plans[i] = step.plan(shapes.get(i), form, queries);
    }
  }
}
