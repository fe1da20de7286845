package io.mla4j;

/** Parts of mapped files that stay in memory. Thread-safe. */
public interface PinnedMemory extends AutoCloseable {
  /** Nothing: a device that has copies of what it reads. */
  PinnedMemory NONE =
      new PinnedMemory() {
        @Override
        public long bytes() {
          return 0;
        }

        @Override
        public void close() {}
      };

  /** How much is kept. */
  long bytes();

  /** Lets it go. Closing twice is harmless. To be closed before the files are unmapped. */
  @Override
  void close();
}
