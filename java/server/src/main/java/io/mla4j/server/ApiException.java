package io.mla4j.server;

import io.mla4j.Mla4jException;

/** A request that is refused, as OpenAI's interface says it. */
final class ApiException extends Mla4jException {
  private static final long serialVersionUID = 1L;

  private final int status;
  private final String field;
  private final String code;

  private ApiException(int status, String field, String code, String message) {
    super(message);
    this.status = status;
    this.field = field;
    this.code = code;
  }

  /** A field that is not as it has to be. */
  static ApiException field(String field, String message) {
    return new ApiException(400, field, null, message);
  }

  /** Another reason to refuse a request. */
  static ApiException of(int status, String code, String message) {
    return new ApiException(status, null, code, message);
  }

  /** A model that is not served. */
  static ApiException unknownModel(String asked, String served) {
    return new ApiException(
        404,
        "model",
        "model_not_found",
        "model is " + Quoted.of(asked) + ", but only " + Quoted.of(served) + " is served");
  }

  /** More tokens than the context has room for. */
  static ApiException contextLength(String field, String message) {
    return new ApiException(400, field, "context_length_exceeded", message);
  }

  int status() {
    return status;
  }

  /** The field, with its way from the body; null where it is none. */
  String field() {
    return field;
  }

  /** OpenAI's word for it, or null. */
  String code() {
    return code;
  }

  /** OpenAI's kind of error. */
  String type() {
    return switch (status) {
      case 401 -> "authentication_error";
      case 403 -> "permission_error";
      case 429 -> "rate_limit_error";
      case 503 -> "unavailable_error";
      case 500, 504 -> "server_error";
      default -> "invalid_request_error";
    };
  }
}
