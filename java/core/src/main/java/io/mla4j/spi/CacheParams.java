package io.mla4j.spi;

import io.mla4j.LatentLayout;

/**
 * Numbers of a layer's pages, {@code mla_cache_params}: token s of a sequence lies in row {@code s
 * % pageSize} of page {@code pageTable[s / pageSize]}.
 *
 * @param pageSize tokens in a page
 * @param pageCount pages of the pool; ids outside of it are refused
 * @param pageStrideBytes bytes between pages of one layer
 */
public record CacheParams(LatentLayout layout, int pageSize, int pageCount, long pageStrideBytes) {}
