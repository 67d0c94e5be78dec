"""The numbers that a recurrent-depth transformer is made of."""

from __future__ import annotations

from dataclasses import dataclass

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class HuginnConfig:
    """The size of a recurrent-depth transformer; without arguments, of Huginn-0125.

    Raises:
        ValueError: a number is not positive, or the width does not split into heads of an even number of entries.
    """

    width: int = 5_280
    heads: int = 55
    feed_forward: int = 17_920
    vocabulary: int = 65_536
    context: int = 4_096
    """The most tokens of a sequence."""
    prelude: int = 2
    core: int = 4
    coda: int = 2
    """Layers before the loop, in it, and after it."""
    norm_eps: float = 1e-6
    rope_base: float = 50_000.0
    mean_steps: int = 32
    """Of training. Only the scale of random weights depends on it."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"{name} must be positive, but is {value}")
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width must split into heads of an even number of entries, but {self.width} is no multiple of "
                f"2 · {self.heads}"
            )

    @property
    def head_width(self) -> int:
        """Entries of one head."""
        return self.width // self.heads

    def layers(self, num_steps: int) -> int:
        """How many layers a token passes with that many steps."""
        return self.prelude + self.core * num_steps + self.coda

    def published(self) -> Shapes:
        """The names of the published tensors with their shapes: 77 for Huginn-0125.

        Two of them are no parameters of their own: `lm_head.weight` repeats the embedding, and `freqs_cis` is a table.
        """
        d, inner = self.width, self.feed_forward
        layer: Shapes = {f"norm_{i}.weight": (d,) for i in (1, 2, 3, 4)}
        layer |= {
            "attn.Wqkv.weight": (3 * d, d),
            "attn.qk_bias": (2, 1, self.heads, self.head_width),
            "attn.proj.weight": (d, d),
            "mlp.fc.weight": (2 * inner, d),
            "mlp.proj.weight": (d, inner),
        }
        found: Shapes = {
            "transformer.wte.weight": (self.vocabulary, d),
            "transformer.adapter.weight": (d, 2 * d),
            "transformer.ln_f.weight": (d,),
            "lm_head.weight": (self.vocabulary, d),
            "freqs_cis": (1, self.context, 1, self.head_width // 2, 2),
        }
        for part, count in (("prelude", self.prelude), ("core_block", self.core), ("coda", self.coda)):
            for i in range(count):
                found |= {f"transformer.{part}.{i}.{name}": shape for name, shape in layer.items()}
        return found
