/**
 * Chat templates: Jinja as transformers sets it up, for templates that nobody has checked. A
 * template sees copies of plain values alone, and its steps, output and depth are bounded.
 */
@NullMarked
package io.mla4j.text.template;

import org.jspecify.annotations.NullMarked;
