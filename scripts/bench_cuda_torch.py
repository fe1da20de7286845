"""The calls of native/tests/cuda/times.cpp as PyTorch computes them in bf16 on the same GPU: bench_cuda_torch.py CALL...

A linear is torch.nn.functional.linear; absorbed attention, which PyTorch has no kernel for, two products and a softmax in float32; a prefill one
product that rebuilds keys and values and scaled_dot_product_attention. Timed as times.cpp times: runs of about 10 ms, each waited for once,
the median of seven."""
import statistics
import sys
import time

import torch

LATENT, ROPE, NOPE, VALUE = 512, 64, 128, 128
ROTATED = 256 << 20


def random(*shape, scale=1.0):
    return torch.randn(*shape, device="cuda", dtype=torch.bfloat16) * scale


def seconds(operation):
    def run(count):
        begin = time.perf_counter()
        for _ in range(count):
            operation()
        torch.cuda.synchronize()
        return (time.perf_counter() - begin) / count

    run(3)
    count = max(3, min(300, int(0.01 / run(1))))
    return statistics.median(run(count) for _ in range(7))


def linear(rows, k, n):
    copies = max(1, min(64, ROTATED // (2 * k * n)))
    weights, x, turn = [random(n, k, scale=0.05) for _ in range(copies)], random(rows, k), [0]

    def operation():
        turn[0] += 1
        return torch.nn.functional.linear(x, weights[turn[0] % copies])

    return operation


def attend(heads, sequences, tokens, queries=1):
    if queries > 1:
        return None
    cache, q = random(sequences, tokens, LATENT + ROPE), random(sequences, heads, LATENT + ROPE)

    def operation():
        scores = torch.matmul(q, cache.transpose(1, 2)) * 0.07
        return torch.matmul(torch.softmax(scores, -1, dtype=torch.float32).bfloat16(), cache[:, :, :LATENT])

    return operation


def prefill(heads, tokens, queries):
    if tokens != queries:
        return None
    q, latents, rotated = random(1, heads, tokens, NOPE + ROPE), random(tokens, LATENT), random(tokens, ROPE)
    up = random(heads * (NOPE + VALUE), LATENT, scale=0.05)

    def operation():
        rebuilt = torch.nn.functional.linear(latents, up).view(tokens, heads, NOPE + VALUE)
        keys = torch.cat([rebuilt[:, :, :NOPE], rotated[:, None].expand(-1, heads, -1)], -1)
        return torch.nn.functional.scaled_dot_product_attention(
            q, keys.transpose(0, 1)[None], rebuilt[:, :, NOPE:].transpose(0, 1)[None], is_causal=True
        )

    return operation


def main():
    print(f"PyTorch {torch.__version__} on {torch.cuda.get_device_name()}\n\n| call | time |\n|---|---|")
    for call in sys.argv[1:]:
        what, _, numbers = call.partition(":")
        make = {"linear": linear, "attend": attend, "prefill": prefill}.get(what)
        operation = make and make(*map(int, numbers.split(",")))
        print(f"| {call} | {'' if operation is None else f'{seconds(operation) * 1e6:.1f} us'} |", flush=True)


main()
