package io.mla4j.spi;

import io.mla4j.ops.Routing;

/**
 * Numbers of the choice of experts, {@code mla_route_params}.
 *
 * @param logitsStride elements between rows of logits
 */
public record RouteParams(int tokens, Routing routing, long logitsStride) {}
