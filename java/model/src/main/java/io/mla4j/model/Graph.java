package io.mla4j.model;

import io.mla4j.ComputeType;
import io.mla4j.Device;
import io.mla4j.MlaShape;
import io.mla4j.checkpoint.AttentionDescription;
import io.mla4j.checkpoint.AttentionDescription.QueryScale;
import io.mla4j.checkpoint.LayerDescription;
import io.mla4j.checkpoint.ModelDescription;
import io.mla4j.ops.Probabilities;
import io.mla4j.ops.StorageFormat;
import io.mla4j.ops.Tensor;
import io.mla4j.position.RopeEncoding;
import io.mla4j.position.RopeTable;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What every frame of a decoder is made from.
 *
 * @param shapes the different shapes of attention
 * @param ropes the different rotary encodings
 * @param slopes the different slopes of linear biases, on the device
 * @param queryScales the different factors on queries by their position
 */
record Graph(
    ModelDescription model,
    DecoderWeights weights,
    Device device,
    ComputeType compute,
    Probabilities probabilities,
    List<MlaShape> shapes,
    Map<RopeEncoding, RopeTable> ropes,
    Map<List<Float>, Tensor> slopes,
    List<QueryScale> queryScales) {
  static Graph of(
      ModelDescription model, DecoderWeights weights, Device device, DecoderOptions options) {
    List<MlaShape> shapes = new ArrayList<>();
    Map<RopeEncoding, RopeTable> ropes = new LinkedHashMap<>();
    Map<List<Float>, Tensor> slopes = new HashMap<>();
    List<QueryScale> queryScales = new ArrayList<>();
    AttentionDescription last = null;
    for (LayerDescription layer : model.layers()) {
      // Layers mostly share one object; to compare two records for the first time takes the JVM
      // milliseconds.
      if (layer.attention() == last) {
        continue;
      }
      last = layer.attention();
      switch (last) {
        case AttentionDescription.Kda _ -> {}
        case AttentionDescription.Grouped grouped -> {
          if (!shapes.contains(grouped.groupShape())) {
            shapes.add(grouped.groupShape());
          }
          ropes.computeIfAbsent(grouped.rope(), RopeTable::new);
        }
        case AttentionDescription.Mla mla -> {
          if (!shapes.contains(mla.shape())) {
            shapes.add(mla.shape());
          }
          ropes.computeIfAbsent(mla.rope(), RopeTable::new);
          if (!mla.slopes().isEmpty()) {
            slopes.computeIfAbsent(mla.slopes(), values -> onDevice(values, device));
          }
          mla.indexer().ifPresent(x -> ropes.computeIfAbsent(x.rope(), RopeTable::new));
          mla.queryScale().filter(s -> !queryScales.contains(s)).ifPresent(queryScales::add);
        }
      }
    }
    return new Graph(
        model,
        weights,
        device,
        options.compute(),
        options.probabilities(),
        shapes,
        ropes,
        slopes,
        queryScales);
  }

  private static Tensor onDevice(List<Float> values, Device device) {
    float[] numbers = new float[values.size()];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = values.get(i);
    }
    return Tensor.allocate(device, StorageFormat.F32, numbers.length).copyFrom(numbers);
  }
}
