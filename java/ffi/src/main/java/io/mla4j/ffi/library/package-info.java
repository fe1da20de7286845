/** Finding the file of a native library, extracting it from a jar, loading it. */
package io.mla4j.ffi.library;
