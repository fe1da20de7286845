package io.mla4j.server;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import io.mla4j.ClosedException;
import io.mla4j.InvalidArgumentException;
import io.mla4j.engine.QueueFullException;
import io.mla4j.text.template.TemplateException;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.stream.Collectors;

/** Finds who answers a request, after everything that may refuse it. Thread-safe. */
final class Router implements HttpHandler {
  private static final Logger LOGGER = System.getLogger(Router.class.getName());

  private static final List<String> FIELDS =
      List.of("messages", "tools", "tool_choice", "response_format", "prompt");

  private final Service service;
  private final Guard guard;
  private final List<Route> routes;

  Router(Service service, Guard guard, List<Route> routes) {
    this.service = service;
    this.guard = guard;
    this.routes = routes;
  }

  @Override
  public void handle(HttpExchange exchange) throws IOException {
    service.calls().incrementAndGet();
    String path = path(exchange);
    List<Route> found = routes.stream().filter(route -> route.isFor(path)).toList();
    Call call = new Call(exchange, service, path, guard.tenant(exchange));
    try {
      answer(exchange, found, call);
      service.counts().answered(found.isEmpty() ? "" : found.getFirst().path(), call.status());
    } catch (IOException e) {
      service.counts().clientGone();
      throw e;
    } finally {
      service.calls().decrementAndGet();
    }
  }

  private void answer(HttpExchange exchange, List<Route> found, Call call) throws IOException {
    try {
      if (guard.isPreflight(exchange)) {
        call.send(204, "text/plain", new byte[0]);
        return;
      }
      route(exchange, found, call).handler().handle(call);
    } catch (InterruptedException e) {
      throw new IOException("the server was closed", e);
    } catch (RuntimeException | Error e) {
      ApiException refusal = refusal(e);
      if (call.status() != 0) {
        throw new IOException("an answer that had begun failed", e);
      }
      call.fail(refusal);
    }
  }

  private Route route(HttpExchange exchange, List<Route> found, Call call) {
    guard.check(exchange);
    if (found.isEmpty()) {
      throw ApiException.of(404, null, "nothing is at " + Quoted.of(call.path()));
    }
    Route route =
        found.stream()
            .filter(one -> one.allows(exchange.getRequestMethod()))
            .findFirst()
            .orElseThrow(
                () -> {
                  String allowed =
                      found.stream().map(Route::method).collect(Collectors.joining(", "));
                  call.header("Allow", allowed);
                  return ApiException.of(
                      405,
                      null,
                      "the method is "
                          + Quoted.of(exchange.getRequestMethod())
                          + ", but must be "
                          + allowed);
                });
    if (!route.isOpen()) {
      guard.requireKey(exchange);
      if (service.isStopping() && !route.isForWatchers()) {
        throw ApiException.of(503, null, "the server is being stopped");
      }
      service.engine();
    }
    return route;
  }

  private static String path(HttpExchange exchange) {
    String path = exchange.getRequestURI().getPath();
    return path != null && path.startsWith("/v1/") ? path.substring(3) : String.valueOf(path);
  }

  /** What the engine refuses; its messages begin with the field where there is one. */
  private static ApiException invalid(String message) {
    return FIELDS.stream()
        .filter(message::startsWith)
        .findFirst()
        .map(field -> ApiException.field(field, message))
        .orElseGet(() -> ApiException.of(400, null, message));
  }

  /** What a client is told of an exception; one that nobody expects is logged. */
  static ApiException refusal(Throwable e) {
    return switch (e) {
      case ApiException refusal -> refusal;
      case InvalidArgumentException _, TemplateException _ -> invalid(e.getMessage());
      case QueueFullException full -> ApiException.of(429, null, full.getMessage());
      case ClosedException _ -> ApiException.of(503, null, "the server is being stopped");
      default -> {
        LOGGER.log(Level.ERROR, "a request failed", e);
        String what = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
        yield ApiException.of(500, null, "the request failed: " + what);
      }
    };
  }
}
