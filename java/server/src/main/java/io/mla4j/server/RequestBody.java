package io.mla4j.server;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.io.JsonEOFException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import io.mla4j.checkpoint.Json;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;

/** Reads the JSON object that a request brings. */
final class RequestBody {
  private static final int MOST_DEPTH = 64;
  private static final int MOST_NUMBER = 400;
  private static final char BYTE_ORDER_MARK = '\ufeff';

  /** What is taken of a body that is too long, so that its sender gets to read why. */
  private static final long MOST_DISCARDED = 64L << 20;

  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(MOST_DEPTH)
                  .maxNumberLength(MOST_NUMBER)
                  // The body has a limit of its own.
                  .maxStringLength(Integer.MAX_VALUE)
                  .build())
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .build();

  private RequestBody() {}

  /**
   * The object of a body, which is nothing but UTF-8.
   *
   * @throws ApiException naming the field where it is malformed, too deep or too large
   * @throws IOException where the client has gone
   */
  static ObjectNode read(HttpExchange exchange, int most) throws IOException {
    byte[] body = bytes(exchange, most);
    if (body.length == 0) {
      throw ApiException.of(400, null, "the body is empty, but must be a JSON object");
    }
    return parse(body);
  }

  /** Loads what the first request needs, while the model is loaded anyway. */
  static void warm() {
    try {
      ObjectNode object = parse("{\"n\":1}".getBytes(StandardCharsets.US_ASCII));
      int n = Fields.of(object).integer("n", 1, 1, 1);
      JsonOut.bytes(json -> json.writeNumberField("n", n));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static byte[] bytes(HttpExchange exchange, int most) throws IOException {
    InputStream in = exchange.getRequestBody();
    byte[] body;
    try {
      body = in.readNBytes(most + 1);
    } catch (IndexOutOfBoundsException e) { // the JDK's reader of chunks adds sizes as an int
      throw ApiException.of(400, null, "the body has a chunk whose size is out of range");
    }
    if (body.length > most) {
      in.skip(MOST_DISCARDED);
      throw ApiException.of(
          413, null, "the body has more than " + most + " bytes, which is the limit");
    }
    return body;
  }

  private static ObjectNode parse(byte[] body) throws IOException {
    // Jackson's own reader of bytes lets overlong forms and halves of surrogate pairs through.
    // UTF-8 has no fewer bytes than characters.
    CharBuffer text = CharBuffer.allocate(body.length);
    boolean isUtf8 =
        !StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(body), text, true).isError();
    text.flip();
    requireNoUtf16(text);
    int from = !text.isEmpty() && text.get(0) == BYTE_ORDER_MARK ? 1 : 0;
    JsonParser parser = FACTORY.createParser(text.array(), from, text.length() - from);
    try (parser) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw isUtf8 ? ApiException.of(400, null, "the body is no JSON object") : notUtf8();
      }
      ObjectNode object = (ObjectNode) Json.readNode(parser);
      if (parser.nextToken() != null) {
        throw ApiException.of(400, null, "the body goes on after its JSON object");
      }
      if (!isUtf8) {
        throw notUtf8();
      }
      return object;
    } catch (JsonProcessingException e) {
      // What is there ends before the first character that is none.
      throw malformed(parser, e, e instanceof JsonEOFException && !isUtf8);
    }
  }

  /**
   * The parser would tell of characters that nobody sees; where UTF-8 begins there are no zeros.
   */
  private static void requireNoUtf16(CharBuffer text) {
    if (text.subSequence(0, Math.min(4, text.length())).chars().anyMatch(c -> c == 0)) {
      throw notUtf8();
    }
  }

  private static ApiException notUtf8() {
    return ApiException.of(400, null, "the body is not valid UTF-8");
  }

  private static ApiException malformed(
      JsonParser parser, JsonProcessingException e, boolean isCut) {
    String field = Paths.of(parser.getParsingContext());
    String kind =
        isCut
            ? "is not valid UTF-8"
            : e instanceof JsonParseException ? "is not valid JSON" : "is too large or deep";
    String where = field.isEmpty() ? "the body" : field;
    String reason = e.getOriginalMessage().replaceAll("\\s+", " ");
    return ApiException.field(
        field.isEmpty() ? null : field,
        where
            + " "
            + kind
            + (e.getLocation() == null ? "" : " at character " + e.getLocation().getCharOffset())
            + (isCut ? "" : ": " + Quoted.of(reason)));
  }
}
