"""The shapes that are compared, and their names on the command line."""

from dataclasses import dataclass

from process import PeerError

DEFAULT = (
    "decode:16x1024,decode:16x16384,decode:64x16384,decode:128x16384,prefill:16x2048,prefill:128x2048,"
    "prompt:512,generate:0,generate:4096,generate:16384"
)
QUICK = "decode:16x16384,decode:128x16384,prefill:16x2048,prompt:512,generate:0,generate:4096"


@dataclass(frozen=True)
class Shape:
    """`decode` and `prefill` are attention alone (heads, tokens); `prompt` and `generate` run the model (tokens: prompt or context)."""

    kind: str
    tokens: int
    heads: int = 0

    @property
    def of_model(self):
        return self.kind in ("prompt", "generate")

    @property
    def name(self):
        return f"{self.kind}:{self.tokens}" if self.of_model else f"{self.kind}:{self.heads}x{self.tokens}"

    @property
    def text(self):
        return {
            "decode": f"decode, {self.heads} heads, {self.tokens} tokens",
            "prefill": f"prefill, {self.heads} heads, {self.tokens} tokens",
            "prompt": f"prompt of {self.tokens}",
            "generate": f"generation at {self.tokens}",
        }[self.kind]


# What stands for a model's shapes where only the kind matters.
PROBE = Shape("prompt", 1)


def parse(text):
    """Shapes of a list such as decode:16x16384,prompt:512; PeerError names the one that is wrong."""
    shapes = []
    for name in text.split(","):
        kind, _, size = name.partition(":")
        numbers = size.split("x")
        count = {"decode": 2, "prefill": 2, "prompt": 1, "generate": 1}.get(kind)
        least = 0 if kind == "generate" else 1
        if count != len(numbers) or not all(n.isdigit() and int(n) >= least for n in numbers):
            raise PeerError(
                f"--shapes: {name!r}; allowed: decode:HEADSxTOKENS, prefill:HEADSxTOKENS, prompt:TOKENS, generate:CONTEXT"
            )
        shapes.append(Shape(kind, int(numbers[-1]), int(numbers[0]) if count == 2 else 0))
    return shapes
