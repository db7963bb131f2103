"""Makes the golden files: frozen models and the output codes that every later build must reproduce.

    python tests/golden/make.py      # after a new version of the arithmetic or the format, never else

Each model comes with NAME.npz: the input codes `x0, x1, ...` and the output codes `y0, y1, ...`. What made
them is this file at the commit that last changed them; test_golden.py replays them and does not make them.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "python"))

import icepoint  # noqa: E402
from icepoint import _C  # noqa: E402
from icepoint.data import RECIPES, load, normalize  # noqa: E402
from random_graphs import random_graph, random_inputs  # noqa: E402
from random_ops import ADDERS  # noqa: E402
from small_model import digits as digit_names  # noqa: E402
from small_model import encode  # noqa: E402

SEED = 20261122


def save(name: str, data: bytes, inputs: list[np.ndarray]) -> None:
    model = _C.Model(data, isa="reference")
    outputs = model.run_codes(inputs)
    arrays = {f"x{i}": x for i, x in enumerate(inputs)} | {f"y{i}": y for i, y in enumerate(outputs)}
    _C.save_atomically(str(HERE / f"{name}.ice"), data)
    np.savez_compressed(HERE / f"{name}.npz", **arrays)


def digits(model: str, checkpoint: str, num_bits: int, weights: str) -> None:
    """A network of ckpt/, calibrated on embedded digits; its inputs are 16 test digits."""
    data = load("mnist", embedded=True)
    net = getattr(icepoint.models, model)().eval()
    net.load_state_dict(torch.load(ROOT / "ckpt" / checkpoint, weights_only=True))
    net.quantize(num_bits, weights=weights)
    with torch.no_grad():
        net.quantize_forward(normalize(data.train_images[:256]))
    frozen = net.freeze(recipe=RECIPES["mnist"])
    codes = net.qconv1.q_in.quantize_tensor(normalize(data.test_images[:16]))
    save(f"{model.lower()}_{num_bits}bit_{weights}", frozen.file_bytes, [codes.to(torch.uint8).numpy()])


def recipes() -> None:
    """Both recipes: a resize to the input, a softmax behind the output; the codes are those before it."""
    resize = {"fit": "letterbox", "filter": "opencv_linear", "fill": 114}
    data = encode(
        3, 6, 5, classes=digit_names(10), function={"function": "softmax", "axis": 0}, resize=resize
    )
    graph = json.loads(_C.Model(data).describe())
    save("recipes", data, random_inputs(SEED, graph, 3))


def main() -> None:
    recipes()
    digits("Net", "mnist_cnn.pt", 8, "per_channel")
    digits("Net", "mnist_cnn.pt", 4, "per_tensor_affine")
    digits("NetBN", "mnist_cnnbn.pt", 8, "per_channel")
    for i, op in enumerate(sorted(ADDERS)):
        graph, tensors = random_graph(SEED + i, op)
        check = random_inputs(SEED, graph, 2)
        data = _C.encode(json.dumps(graph), tensors, "{}", {"made_by": "tests/golden/make.py"}, check)
        save(f"random_{op}", data, random_inputs(SEED + 1, graph, 3))


if __name__ == "__main__":
    main()
