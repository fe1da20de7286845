/** What is computed: tensors, weights and the operations over them. */
package io.mla4j.ops;
