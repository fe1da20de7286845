/** What an engine costs beside its decoder, and what its texts wait for, without HTTP. */
package io.mla4j.bench.engine;
