package io.mla4j.server;

import java.io.IOException;

/**
 * The way back to a client while its answer is being made. Every method may throw an {@link
 * IOException}, which says that the client has gone.
 */
interface Reply {
  /** Nothing to say for now: lets the client, and proxies on the way, know that work goes on. */
  void idle() throws IOException;

  /** The request failed. Nothing follows. */
  void fail(ApiException e) throws IOException;
}
