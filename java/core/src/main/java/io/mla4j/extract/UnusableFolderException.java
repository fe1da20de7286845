package io.mla4j.extract;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.Locale;

/** A folder that files cannot be loaded from; the message says which and why. */
final class UnusableFolderException extends Exception {
  private static final long serialVersionUID = 1L;

  UnusableFolderException(Path folder, String reason) {
    super(folder + " " + reason);
  }

  UnusableFolderException(Path folder, IOException cause) {
    super(folder + " " + reason(cause), cause);
  }

  /** What the system's error means for a folder. */
  private static String reason(IOException e) {
    String told =
        e instanceof FileSystemException f && f.getReason() != null
            ? f.getReason()
            : String.valueOf(e.getMessage());
    String lower = told.toLowerCase(Locale.ROOT);
    if (lower.contains("no space left")) {
      return "is full";
    }
    if (lower.contains("quota")) {
      return "is full (quota)";
    }
    if (lower.contains("read-only")) {
      return "is read-only";
    }
    if (lower.contains("not a directory")) {
      return "is no folder";
    }
    if (e instanceof AccessDeniedException) {
      return "may not be written by this user";
    }
    if (e instanceof NoSuchFileException) {
      return "is not there";
    }
    if (e instanceof FileAlreadyExistsException || e instanceof NotDirectoryException) {
      return "is no folder";
    }
    return "cannot be written (" + e.getClass().getSimpleName() + ": " + told + ")";
  }
}
