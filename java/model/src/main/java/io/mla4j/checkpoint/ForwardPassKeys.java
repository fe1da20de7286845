package io.mla4j.checkpoint;

import java.util.List;
import java.util.Set;

/**
 * Which keys of a config.json may be passed over.
 *
 * <p>A key that the reader did not ask for is refused where its name speaks of the forward pass:
 * silence about one key (a clamp, a gate, a scale) gives a model that talks and is wrong. Names
 * that are known to be about training, generation or bookkeeping pass.
 */
final class ForwardPassKeys {
  /** Keys without effect at inference, though some sound otherwise. */
  private static final Set<String> HARMLESS =
      Set.of(
          "add_cross_attention",
          "architectures",
          "attn_implementation",
          "auto_map",
          "chunk_size_feed_forward",
          "cross_attention_hidden_size",
          "dtype",
          "encoder_no_repeat_ngram_size",
          "ep_size",
          "finetuning_task",
          "head_dim",
          "id2label",
          "is_decoder",
          "is_encoder_decoder",
          "label2id",
          "no_repeat_ngram_size",
          "num_beam_groups",
          "num_beams",
          "num_key_value_heads",
          "num_mtp_layers",
          "num_nextn_predict_layers",
          "num_return_sequences",
          "output_attentions",
          "output_hidden_states",
          "output_router_logits",
          "output_scores",
          "pretraining_tp",
          "pruned_heads",
          "seq_aux",
          "sep_token_id",
          "tie_encoder_decoder",
          "tokenizer_class",
          "top_k",
          "top_p",
          "torch_dtype",
          "torchscript",
          "transformers_version",
          "use_bfloat16",
          "use_cache");

  /** Parts of the names of keys that only training reads. */
  private static final List<String> TRAINING =
      List.of("dropout", "pdrop", "initializer", "_loss", "loss_", "jitter");

  /** Parts of the names of keys that change what a model computes. */
  private static final List<String> FORWARD_PASS =
      List.of(
          "act",
          "alibi",
          "attention",
          "attn",
          "bias",
          "cap",
          "clamp",
          "compress",
          "conv",
          "dense",
          "embed",
          "expert",
          "ffn",
          "fp8",
          "freq",
          "gate",
          "gating",
          "group",
          "hc_",
          "head",
          "hidden",
          "index",
          "int4",
          "interleave",
          "kda",
          "kv_",
          "latent",
          "layer",
          "limit",
          "linear",
          "logit",
          "lora",
          "mamba",
          "mask",
          "mhc",
          "mlp",
          "moe",
          "mscale",
          "mtp",
          "mup",
          "nope",
          "norm",
          "num_",
          "partial",
          "position",
          "quant",
          "query",
          "residual",
          "rope",
          "rotary",
          "router",
          "scal",
          "score",
          "shared",
          "sink",
          "sliding",
          "softcap",
          "softmax",
          "sparse",
          "ssm",
          "swa_",
          "swiglu",
          "temperature_",
          "theta",
          "topk",
          "use_",
          "window",
          "yarn",
          "_config",
          "_dim",
          "_eps",
          "_size");

  private ForwardPassKeys() {}

  /** Whether an unread key must not be passed over. */
  static boolean mayChangeForwardPass(String key) {
    return !key.startsWith("_")
        && !HARMLESS.contains(key)
        && TRAINING.stream().noneMatch(key::contains)
        && FORWARD_PASS.stream().anyMatch(key::contains);
  }
}
