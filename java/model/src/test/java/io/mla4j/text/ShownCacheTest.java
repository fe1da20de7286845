package io.mla4j.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The programs of docs/cache.md; that what is shown is this is a test of java/bench. */
class ShownCacheTest {
  private static final Path MODEL = Path.of(System.getProperty("mla4j.root"), "models/tiny-mla");

  private static void share(Path path, String document) {
    // begin
    try (Model model = Model.builder(path).sharedCache(65536).open();
        Session one = model.session("tenant a");
        Session two = model.session("tenant a")) {
      one.append(document);
      one.next(SamplingOptions.GREEDY);
      two.append(document);
      two.next(SamplingOptions.GREEDY); // computes 64 tokens or fewer
      System.out.println(model.sharing());
    }
    // end
  }

  private static Session saveAndLoad(Model model, Session session, Path file) {
    // begin
    session.save(file);
    Session later = model.load(file);
    // end
    return later;
  }

  @Test
  void sharesTheDocument() throws IOException {
    String document = Files.readString(MODEL.resolve("heldout.txt")).substring(0, 1200);
    PrintStream before = System.out;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
    try {
      share(MODEL, document);
    } finally {
      System.setOut(before);
    }
    assertTrue(printed.toString(StandardCharsets.UTF_8).matches("(?s).*[1-9].*"));
  }

  @Test
  void goesOnFromTheFile(@TempDir Path folder) {
    try (Model model = Model.open(MODEL);
        Session session = model.session()) {
      session.append("In the beginning");
      try (Session later = saveAndLoad(model, session, folder.resolve("document.cache"))) {
        assertArrayEquals(session.ids(), later.ids());
      }
    }
  }
}
