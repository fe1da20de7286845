package io.mla4j.server;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import io.mla4j.checkpoint.Json;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** Reads the JSON object that a request brings. */
final class RequestBody {
  private static final int MOST_DEPTH = 64;
  private static final int MOST_NUMBER = 400;

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
    requireNoUtf16(body);
    JsonParser parser = FACTORY.createParser(body);
    try (parser) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw ApiException.of(400, null, "the body is no JSON object");
      }
      ObjectNode object = (ObjectNode) Json.readNode(parser);
      if (parser.nextToken() != null) {
        throw ApiException.of(400, null, "the body goes on after its JSON object");
      }
      requireUtf8(body);
      return object;
    } catch (JsonProcessingException e) {
      throw malformed(parser, e);
    }
  }

  /** The parser would take it; in UTF-8 the beginning of an object has no zeros. */
  private static void requireNoUtf16(byte[] body) {
    for (int i = 0; i < Math.min(4, body.length); i++) {
      if (body[i] == 0) {
        throw ApiException.of(400, null, "the body is not UTF-8");
      }
    }
  }

  /** What the parser lets through: overlong forms, halves of surrogate pairs, byte order marks. */
  private static void requireUtf8(byte[] body) {
    try {
      StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(body));
    } catch (CharacterCodingException e) {
      throw ApiException.of(400, null, "the body is not valid UTF-8");
    }
  }

  private static ApiException malformed(JsonParser parser, JsonProcessingException e) {
    String field = Paths.of(parser.getParsingContext());
    String kind = e instanceof JsonParseException ? "is not valid JSON" : "is too large or deep";
    String where = field.isEmpty() ? "the body" : field;
    String reason = e.getOriginalMessage().replaceAll("\\s+", " ");
    return ApiException.field(
        field.isEmpty() ? null : field,
        where
            + " "
            + kind
            + (e.getLocation() == null ? "" : " at byte " + e.getLocation().getByteOffset())
            + ": "
            + Quoted.of(reason));
  }
}
