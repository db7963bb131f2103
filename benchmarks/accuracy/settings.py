"""The bit settings that are compared, and the engines: which of them each can do, or why not, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CALIBRATION_BATCH, BATCH = 10, 50  # images at once: every calibration set is a multiple of 10


@dataclass(frozen=True)
class Bits:
    """Bits of the weights and of what enters a layer; of the first and the last layer where they differ."""

    title: str
    weights: int
    activations: int
    edge: int | None = None

    @property
    def edge_bits(self) -> tuple[int, int]:
        """Weights and activations of the first and the last layer."""
        return (self.edge, self.edge) if self.edge else (self.weights, self.activations)


BITS = {
    "8": Bits("8 bits", 8, 8),
    "6": Bits("6 bits", 6, 6),
    "4": Bits("4 bits", 4, 4),
    "w4a8": Bits("weights in 4 bits, activations in 8", 4, 8),
    "edges8": Bits("4 bits, the first and the last layer in 8", 4, 4, edge=8),
}


@dataclass(frozen=True)
class Engine:
    """`module` of benchmarks.accuracy.engines and its options; `environment`: main or bench, of `make bench`.

    `bits`: the names of BITS that it can do; `cannot`: what stands in the others' cells.
    """

    title: str
    module: str
    environment: str
    options: Mapping[str, str] = field(default_factory=dict)
    bits: tuple[str, ...] = tuple(BITS)
    cannot: str = ""

    @property
    def is_peer(self) -> bool:
        return self.module != "icepoint_recipe"


_ONLY_8 = "quantizes to 8 bits only"
ENGINES = {
    **{
        f"icepoint_{recipe}": Engine(
            f"icepoint, {recipe}", "icepoint_recipe", "main", {"recipe": recipe}
        )
        for recipe in ("fast", "accurate", "max")
    },
    **{
        f"onnxruntime_{method.lower()}": Engine(
            f"ONNX Runtime, {words}", "onnxruntime_qdq", "bench", {"method": method}, ("8", "w4a8"),
            "activations have 8 or 16 bits, all weights of a network alike",
        )
        for method, words in (("MinMax", "min-max"), ("Percentile", "percentile"), ("Entropy", "entropy"))
    },
    "nncf_fast": Engine(
        "OpenVINO/NNCF, its default", "openvino_nncf", "bench", {"correction": "fast"}, ("8",), _ONLY_8
    ),
    "nncf_accurate": Engine(
        "OpenVINO/NNCF, accurate bias correction", "openvino_nncf", "bench", {"correction": "accurate"},
        ("8",), _ONLY_8,
    ),
    "pt2e": Engine("torchao PT2E, x86 quantizer", "torchao_pt2e", "bench"),
}  # fmt: skip
DEFAULT, BEST = "icepoint_accurate", "icepoint_max"
