/** What is computed: tensors, weights and the operations over them. */
@NullMarked
package io.mla4j.ops;

import org.jspecify.annotations.NullMarked;
