/**
 * Load on a server with OpenAI's interface: what it serves, and whether it lives through misuse.
 */
package io.mla4j.bench.serve;
