package io.mla4j.server;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;

/** The page to chat with: one file, which asks nobody but this server. */
final class Page {
  /** Made when it is first asked for: its digests would be a tenth of a start. */
  private static final class Loaded {
    static final Page PAGE = load();
  }

  private final byte[] html;
  private final String policy;

  private Page(byte[] html) {
    this.html = html;
    String text = new String(html, StandardCharsets.UTF_8);
    policy =
        "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; "
            + "form-action 'none'; frame-ancestors 'none'; style-src "
            + hash(text, "style")
            + "; script-src "
            + hash(text, "script");
  }

  private static Page load() {
    try (InputStream in = Page.class.getResourceAsStream("chat.html")) {
      return new Page(in.readAllBytes());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static void show(Call call) throws IOException {
    Page page = Loaded.PAGE;
    call.header("Content-Security-Policy", page.policy);
    call.header("Referrer-Policy", "no-referrer");
    call.header("Cache-Control", "no-cache");
    call.send(200, "text/html; charset=utf-8", page.html);
  }

  /** What allows the one script or style of the page, and no other. */
  private static String hash(String html, String tag) {
    String begin = "<" + tag + ">";
    int from = html.indexOf(begin) + begin.length();
    String content = html.substring(from, html.indexOf("</" + tag + ">", from));
    try {
      byte[] digest =
          MessageDigest.getInstance("SHA-256").digest(content.getBytes(StandardCharsets.UTF_8));
      return "'sha256-" + Base64.getEncoder().encodeToString(digest) + "'";
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }
}
