package io.mla4j.server;

import static io.mla4j.InvalidArgumentException.require;

import io.mla4j.InvalidArgumentException;
import java.util.List;

/**
 * Where a {@link Server} listens and what it allows. Immutable.
 *
 * <pre>{@code
 * ServerOptions options = ServerOptions.builder().port(9000).keys(List.of(key)).build();
 * }</pre>
 */
public final class ServerOptions {
  /** Port 8080 of this machine alone, without a key. */
  public static final ServerOptions DEFAULT = builder().build();

  private final Builder values;

  private ServerOptions(Builder values) {
    this.values = values;
  }

  /** The defaults, to be changed. */
  public static Builder builder() {
    return new Builder();
  }

  /** The name or address to listen at. */
  public String host() {
    return values.host;
  }

  /** The port; 0 for one that is free. */
  public int port() {
    return values.port;
  }

  /** Keys, of which a request has to name one; none where everybody may ask. */
  public List<String> keys() {
    return values.keys;
  }

  /** Origins whose pages may use the server from a browser: {@code https://host}, or {@code *}. */
  public List<String> origins() {
    return values.origins;
  }

  /** What the model is called; null for the name of its file or folder. */
  public String modelName() {
    return values.modelName;
  }

  /** What one request may take. */
  public Limits limits() {
    return values.limits;
  }

  /** Makes options. Belongs to one thread. */
  public static final class Builder implements Cloneable {
    private static final int LAST_PORT = 65535;
    private String host = "127.0.0.1";
    private int port = 8080;
    private List<String> keys = List.of();
    private List<String> origins = List.of();
    private String modelName;
    private Limits limits = Limits.DEFAULT;

    private Builder() {}

    /** See {@link ServerOptions#host()}; 127.0.0.1 by default. */
    public Builder host(String name) {
      host = name;
      return this;
    }

    /** See {@link ServerOptions#port()}; 8080 by default. */
    public Builder port(int number) {
      port = number;
      return this;
    }

    /** See {@link ServerOptions#keys()}; none by default. */
    public Builder keys(List<String> all) {
      keys = List.copyOf(all);
      return this;
    }

    /** See {@link ServerOptions#origins()}; none by default. */
    public Builder origins(List<String> all) {
      origins = List.copyOf(all);
      return this;
    }

    /** See {@link ServerOptions#modelName()}. */
    public Builder modelName(String name) {
      modelName = name;
      return this;
    }

    /** See {@link ServerOptions#limits()}. */
    public Builder limits(Limits all) {
      limits = all;
      return this;
    }

    /**
     * The options.
     *
     * @throws InvalidArgumentException naming the one that is out of its range
     */
    public ServerOptions build() {
      require(port >= 0 && port <= LAST_PORT, "port", port, "in 0.." + LAST_PORT);
      for (String key : keys) {
        if (!key.matches("[\\x21-\\x7e]{1,1024}")) {
          throw new InvalidArgumentException(
              "a key is empty, too long or has characters that no header has");
        }
      }
      for (String origin : origins) {
        require(
            origin.matches("\\*|https?://[^/\\s]+"),
            "origin",
            origin,
            "* or begin with http:// and end with a host");
      }
      if (modelName != null && modelName.isBlank()) {
        throw new InvalidArgumentException("modelName is blank");
      }
      return new ServerOptions(clone());
    }

    @Override
    protected Builder clone() {
      try {
        return (Builder) super.clone();
      } catch (CloneNotSupportedException e) {
        throw new AssertionError(e);
      }
    }
  }
}
