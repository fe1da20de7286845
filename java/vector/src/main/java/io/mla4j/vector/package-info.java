/** The kernels on the Vector API, and the backend that offers them. */
package io.mla4j.vector;
