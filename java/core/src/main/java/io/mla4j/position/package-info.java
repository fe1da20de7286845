/** Position encodings: rotary ones with their scalings, and the slopes of linear biases. */
@NullMarked
package io.mla4j.position;

import org.jspecify.annotations.NullMarked;
