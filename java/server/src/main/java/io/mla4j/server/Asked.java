package io.mla4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import io.mla4j.engine.Request;
import io.mla4j.text.SamplingOptions;
import io.mla4j.text.SamplingOptions.Penalties;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;

/**
 * What all requests for texts have in common.
 *
 * @param request all but the prompt and how many tokens
 * @param n texts of each prompt
 * @param maxName the field that says how many tokens
 * @param maxTokens that many; 0 for what the context has room for
 * @param isAskedFor whether the field is there; else as many as there is room for are enough
 * @param stream whether pieces are sent as they come
 * @param includeUsage whether the last of them tells the usage
 */
record Asked(
    Request.Builder request,
    int n,
    String maxName,
    int maxTokens,
    boolean isAskedFor,
    boolean stream,
    boolean includeUsage) {
  private static final double MOST_TEMPERATURE = 2;
  private static final double MOST_PENALTY = 2;
  private static final double MOST_BIAS = 100;
  private static final double MOST_REPETITION = 10;
  private static final int MOST_STOP_IDS = 64;

  /** OpenAI allows 0, which leaves the likeliest token alone. */
  private static final double LEAST_TOP_P = 1e-9;

  /**
   * Reads them.
   *
   * @param maxNames fields that may say how many tokens; the first that is there counts
   * @param usual tokens where none of them is there; 0 for what the context has room for
   */
  static Asked read(Call call, Fields body, int usual, String... maxNames) {
    Limits limits = call.service().limits();
    int context = call.service().context();
    int n = body.integer("n", 1, limits.choices(), 1);
    Request.Builder request =
        Request.builder()
            .n(n)
            .tenant(call.tenant())
            .sampling(sampling(body, call.service().engine().model().vocabulary()))
            .stopTexts(stops(body, limits.stops()))
            .stopIds(stopIds(body, call.service().engine().model().vocabulary()))
            .ignoreEos(body.flag("ignore_eos", false));
    String maxName = maxNames[0];
    int most = limits.tokens() == 0 ? context : Math.min(context, limits.tokens());
    int maxTokens = usual;
    boolean isAskedFor = false;
    for (String name : maxNames) {
      int tokens = body.integer(name, 1, most, 0);
      if (tokens > 0 && !isAskedFor) {
        maxName = name;
        maxTokens = tokens;
        isAskedFor = true;
      }
    }
    Fields options = body.object("stream_options");
    boolean stream = body.flag("stream", false);
    boolean includeUsage = options != null && options.flag("include_usage", false);
    return new Asked(request, n, maxName, maxTokens, isAskedFor, stream, includeUsage);
  }

  /**
   * Sets how many tokens follow a prompt.
   *
   * @param field where the prompt came from
   */
  void bound(Service service, String field, int promptTokens) {
    int context = service.context();
    int room = context - promptTokens;
    if (room < 1) {
      throw ApiException.contextLength(
          field,
          field
              + " has "
              + promptTokens
              + " tokens, but a prompt and its text may have "
              + context
              + " together");
    }
    if (maxTokens > room && isAskedFor) {
      throw ApiException.contextLength(
          maxName,
          maxName
              + " is "
              + maxTokens
              + ", but behind the "
              + promptTokens
              + " tokens of "
              + field
              + " there is room for "
              + room);
    }
    int limit = service.limits().tokens();
    int most = limit == 0 ? room : Math.min(room, limit);
    request.maxTokens(maxTokens == 0 ? most : Math.min(most, maxTokens));
  }

  private static SamplingOptions sampling(Fields body, int vocabulary) {
    long seed =
        body.integer(
            "seed", Long.MIN_VALUE, Long.MAX_VALUE, ThreadLocalRandom.current().nextLong());
    return new SamplingOptions(
        body.number("temperature", 0, MOST_TEMPERATURE, 1),
        Math.max(0, body.integer("top_k", -1, Integer.MAX_VALUE, 0)),
        Math.max(LEAST_TOP_P, body.number("top_p", 0, 1, 1)),
        body.number("min_p", 0, 1, 0),
        new Penalties(
            Math.max(Double.MIN_NORMAL, body.number("repetition_penalty", 0, MOST_REPETITION, 1)),
            body.number("presence_penalty", -MOST_PENALTY, MOST_PENALTY, 0),
            body.number("frequency_penalty", -MOST_PENALTY, MOST_PENALTY, 0)),
        biases(body, vocabulary),
        seed);
  }

  private static Map<Integer, Double> biases(Fields body, int vocabulary) {
    Fields biases = body.object("logit_bias");
    Map<Integer, Double> all = new HashMap<>();
    if (biases == null) {
      return all;
    }
    biases
        .node()
        .fieldNames()
        .forEachRemaining(
            name -> {
              boolean isId = name.matches("\\d{1,9}") && Integer.parseInt(name) < vocabulary;
              if (!isId) {
                throw ApiException.field(
                    "logit_bias",
                    "logit_bias has the key "
                        + Quoted.of(name)
                        + ", but keys must be token ids in 0.."
                        + (vocabulary - 1));
              }
              all.put(Integer.parseInt(name), biases.number(name, -MOST_BIAS, MOST_BIAS, 0));
            });
    return all;
  }

  private static List<String> stops(Fields body, int most) {
    List<String> stops = body.texts("stop", most);
    if (stops.contains("")) {
      throw ApiException.field("stop", "stop has an empty text, which would end every answer");
    }
    return stops;
  }

  private static Set<Integer> stopIds(Fields body, int vocabulary) {
    JsonNode ids = body.any("stop_token_ids");
    Set<Integer> all = new HashSet<>();
    if (ids != null) {
      body.requireArray("stop_token_ids", ids, MOST_STOP_IDS);
      for (int id : body.ids("stop_token_ids", ids, vocabulary)) {
        all.add(id);
      }
    }
    return all;
  }
}
