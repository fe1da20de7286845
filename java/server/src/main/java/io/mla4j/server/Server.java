package io.mla4j.server;

import com.sun.net.httpserver.HttpServer;
import io.mla4j.ClosedException;
import io.mla4j.engine.Engine;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * An {@link Engine} behind OpenAI's HTTP interface: chat completions, completions and responses,
 * whole or as server-sent events, with tools, JSON schemas, logarithms of probabilities and usage;
 * tokens and templates; health, metrics, and a page to chat with.
 *
 * <pre>{@code
 * try (Server server =
 *     Server.start(ServerOptions.DEFAULT, () -> Engine.open(path, EngineOptions.DEFAULT))) {
 *   server.ready().join();
 *   ...
 * }
 * }</pre>
 *
 * <p>It listens before the model is there, and tells so: 503. Every request has a virtual thread of
 * its own. Thread-safe.
 */
public final class Server implements AutoCloseable {
  static {
    HttpSettings.apply();
  }

  private static final int BACKLOG = 256;
  private static final Duration PAUSE = Duration.ofMillis(10);

  private final Service service;
  private final HttpServer http;
  private final ExecutorService threads;
  private final CompletableFuture<Engine> ready;
  private final AtomicBoolean closed = new AtomicBoolean();

  private Server(Service service, HttpServer http, CompletableFuture<Engine> ready) {
    this.service = service;
    this.http = http;
    this.ready = ready;
    this.threads =
        Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("mla4j-http-", 0).factory());
  }

  /**
   * Listens, and opens the engine on a thread of its own. The server closes the engine.
   *
   * @param engine opens it
   * @throws IOException where the address cannot be listened at
   */
  public static Server start(ServerOptions options, Callable<Engine> engine) throws IOException {
    InetSocketAddress address = new InetSocketAddress(options.host(), options.port());
    if (address.isUnresolved()) {
      throw new IOException("the host " + options.host() + " is not known");
    }
    Service service = new Service(options);
    CompletableFuture<Engine> ready = new CompletableFuture<>();
    // First, since it takes longest.
    Thread.ofPlatform().name("mla4j-load").daemon().start(() -> load(engine, service, ready));
    Server server;
    try {
      server = new Server(service, HttpServer.create(address, BACKLOG), ready);
    } catch (IOException e) {
      ready.thenAccept(Engine::close);
      service.close();
      throw new IOException(
          options.host() + ":" + options.port() + " cannot be listened at: " + e.getMessage(), e);
    }
    server.listen(options);
    Thread.ofPlatform().name("mla4j-warm").daemon().start(RequestBody::warm);
    return server;
  }

  private void listen(ServerOptions options) {
    Router router = new Router(service, new Guard(options, http.getAddress()), Routes.all());
    http.setExecutor(threads);
    http.createContext("/", router);
    http.start();
  }

  private static void load(
      Callable<Engine> open, Service service, CompletableFuture<Engine> ready) {
    Engine engine = null;
    try {
      engine = open.call();
      service.open(engine);
      if (!ready.complete(engine)) {
        engine.close();
      }
    } catch (Exception | LinkageError | OutOfMemoryError e) {
      if (engine != null) {
        engine.close();
      }
      ready.completeExceptionally(e);
    }
  }

  /** Where it listens. */
  public InetSocketAddress address() {
    return http.getAddress();
  }

  /** The address of its page. */
  public URI uri() {
    String host = service.options().host();
    String name = host.contains(":") ? "[" + host + "]" : host;
    return URI.create("http://" + name + ":" + address().getPort() + "/");
  }

  /**
   * The engine, once it is there; fails where it could not be opened, with a {@link
   * ClosedException} where the server was closed before.
   */
  public CompletableFuture<Engine> ready() {
    return ready.copy();
  }

  /**
   * Stops gracefully: new requests get a 503, those that are being answered go on.
   *
   * @param most how long they may
   * @return whether all of them ended
   */
  public boolean stop(Duration most) {
    long end = System.nanoTime() + most.toNanos();
    service.stop();
    boolean done = false;
    try {
      while (service.calls().get() > 0 && System.nanoTime() < end) {
        Thread.sleep(PAUSE);
      }
      done = service.calls().get() == 0;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    close();
    return done;
  }

  /** Ends everything at once, the engine too. Closing twice is harmless. */
  @Override
  public void close() {
    if (!closed.compareAndSet(false, true)) {
      return;
    }
    service.stop();
    if (!ready.completeExceptionally(new ClosedException("the server was closed"))) {
      ready.thenAccept(Engine::close);
    }
    http.stop(0);
    threads.shutdownNow();
    service.close();
  }
}
