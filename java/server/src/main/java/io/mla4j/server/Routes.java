package io.mla4j.server;

import java.util.List;

/** What is answered where. */
final class Routes {
  private Routes() {}

  static List<Route> all() {
    return List.of(
        Route.open("/", Page::show),
        Route.open("/health", Health::show),
        Route.watch("/metrics", Metrics::show),
        Route.get("/slots", Slots::show),
        Route.get("/models", Models::list),
        Route.get("/models/", Models::show),
        Route.post("/chat/completions", ChatCompletions::answer),
        Route.post("/completions", Completions::answer),
        Route.post("/responses", Responses::answer),
        Route.post("/tokenize", Tokens::tokenize),
        Route.post("/detokenize", Tokens::detokenize),
        Route.post("/apply-template", Tokens::applyTemplate));
  }
}
