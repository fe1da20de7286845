/** Position encodings: rotary ones with their scalings, and the slopes of linear biases. */
package io.mla4j.position;
