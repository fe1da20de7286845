package io.mla4j;

/** A device's watch over memory that is mapped from a file. Thread-safe. */
public interface MappedWatch extends AutoCloseable {
  /** Sees nothing. */
  MappedWatch NONE =
      new MappedWatch() {
        @Override
        public boolean lost() {
          return false;
        }

        @Override
        public void close() {}
      };

  /** Whether something was read that the file no longer had: what was computed is worthless. */
  boolean lost();

  /** Ends the watch. Closing twice is harmless. */
  @Override
  void close();
}
