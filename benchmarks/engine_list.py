"""Which engines there are: title, module, virtual environment, and whether a cap of the ISA binds them."""

from __future__ import annotations

from dataclasses import dataclass

#: What forces an instruction set; icepoint, torch and its oneDNN read these as a process starts.
CAPS = {
    "avx2": {"ICEPOINT_ISA": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
    "avx512vnni": {
        "ICEPOINT_ISA": "avx512vnni",
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI",
        "ATEN_CPU_CAPABILITY": "avx512",
    },
}


@dataclass(frozen=True)
class Engine:
    """`environment`: main, bench or executorch, as `make bench` sets them up. `capped`: CAPS bind it too.

    `only`: the networks it is for, all of them where empty. `slow_start`: left out of --quick.
    """

    title: str
    module: str
    environment: str
    capped: bool = False
    only: tuple[str, ...] = ()
    slow_start: bool = False

    @property
    def is_peer(self) -> bool:
        return self.module != "icepoint_int8"


ENGINES = {
    "icepoint": Engine("icepoint", "icepoint_int8", "main", capped=True),
    "icepoint_w4": Engine("icepoint, 4-bit linear", "icepoint_int8", "main", capped=True, only=("vgg16",)),
    "torch_f32": Engine("torch fp32", "torch_float", "main", capped=True),
    "torch_f32_nhwc": Engine("torch fp32, channels last", "torch_float", "main", capped=True),
    "torch_int8_fx": Engine("torch int8, onednn", "torch_int8_fx", "main", capped=True),
    "torch_int8_pt2e": Engine(
        "torch int8, PT2E compiled", "torch_int8_pt2e", "bench", capped=True, slow_start=True
    ),
    "onnxruntime_f32": Engine("ONNX Runtime fp32", "onnxruntime_float", "bench"),
    "onnxruntime_int8": Engine("ONNX Runtime int8", "onnxruntime_int8", "bench"),
    "openvino_f32": Engine("OpenVINO fp32", "openvino_float", "bench"),
    "openvino_default": Engine("OpenVINO default", "openvino_float", "bench"),
    "openvino_int8": Engine("OpenVINO int8, NNCF", "openvino_int8", "bench"),
    "executorch_int8": Engine("ExecuTorch int8, XNNPACK", "executorch_int8", "executorch"),
}
FLOAT_ENGINES = ("torch_f32", "torch_f32_nhwc")


def engines_for(network: str, isa: str | None, quick: bool, wanted: list[str] | None = None) -> list[str]:
    """The names of the engines that run `network` under the cap `isa`; of them the wanted ones."""
    return [
        name
        for name, engine in ENGINES.items()
        if (not engine.only or network in engine.only)
        and (wanted is None or name in wanted)
        and (isa is None or engine.capped)
        and not (quick and engine.slow_start)
    ]
