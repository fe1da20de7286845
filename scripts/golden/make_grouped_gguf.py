#!/usr/bin/env python3
"""Writes golden cases of make_grouped.py as GGUF files, as llama.cpp's converter does: what Llama rotates is interleaved, and the factors of
Llama 3's rotation are a tensor.

usage: make_grouped_gguf.py CASES OUT (needs gguf, torch, safetensors)"""
import json, math, sys
import gguf, numpy as np
from safetensors.torch import load_file
G, OUT = sys.argv[1] + '/', sys.argv[2]
def write(name, arch, out):
    c=json.load(open(G+name+'/config.json')); t={k:v.float().numpy() for k,v in load_file(G+name+'/model.safetensors').items()}
    w=gguf.GGUFWriter(out, arch); h=c['num_attention_heads']; kv=c['num_key_value_heads']; d=c.get('head_dim') or c['hidden_size']//h
    w.add_context_length(c['max_position_embeddings']); w.add_embedding_length(c['hidden_size']); w.add_block_count(c['num_hidden_layers']); w.add_feed_forward_length(c['intermediate_size'])
    w.add_head_count(h); w.add_head_count_kv(kv); w.add_layer_norm_rms_eps(c['rms_norm_eps']); w.add_rope_freq_base(10000.0); w.add_rope_dimension_count(d); w.add_key_length(d); w.add_value_length(d); w.add_vocab_size(c['vocab_size'])
    perm=lambda x,n: x.reshape(n,2,x.shape[0]//n//2,*x.shape[1:]).swapaxes(1,2).reshape(x.shape)
    m={'self_attn.q_proj':'attn_q','self_attn.k_proj':'attn_k','self_attn.v_proj':'attn_v','self_attn.o_proj':'attn_output','mlp.gate_proj':'ffn_gate','mlp.up_proj':'ffn_up','mlp.down_proj':'ffn_down','input_layernorm':'attn_norm','post_attention_layernorm':'ffn_norm','self_attn.q_norm':'attn_q_norm','self_attn.k_norm':'attn_k_norm'}
    for k,v in t.items():
        if k=='model.embed_tokens.weight': n='token_embd.weight'
        elif k=='model.norm.weight': n='output_norm.weight'
        elif k=='lm_head.weight': n='output.weight'
        else:
            p=k.split('.'); n='blk.%s.%s.%s'%(p[2], m['.'.join(p[3:-1])], p[-1])
            if arch=='llama' and '.attn_q.' in n: v=perm(v,h)
            if arch=='llama' and '.attn_k.' in n: v=perm(v,kv)
        w.add_tensor(n, np.ascontiguousarray(v.astype(np.float32)))
    rp=c.get('rope_parameters') or {}
    if rp.get('rope_type')=='llama3':
        f=[]
        for i in range(d//2):
            wave=2*math.pi*10000.0**(2*i/d); lo=32/1.0; hi=32/4.0
            f.append(1.0 if wave<hi else 8.0 if wave>lo else 1/((1-(32/wave-1)/(4-1))/8+(32/wave-1)/(4-1)))
        w.add_tensor('rope_freqs.weight', np.array(f,dtype=np.float32))
    w.write_header_to_file(); w.write_kv_data_to_file(); w.write_tensors_to_file(); w.close()
for n, a in [('llama-mha', 'llama'), ('qwen2-gqa', 'qwen2')]:
    write(n, a, f'{OUT}/{n}.gguf')
