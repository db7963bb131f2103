"""`python -m icepoint export`: a frozen file as ONNX (checked), C header, JSON, NPZ or a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from .. import frozen
from ..calibration_data import Batches
from ..export.document import example_inputs
from .arguments import Arguments, Commands, positive


def add_to(add: Commands) -> None:
    command = add("export", _export, "write a frozen file for others: ONNX, C header, JSON, NPZ, a folder",
                  "build/demo/Net.ice --onnx net.onnx --c-header net.h --folder net-integers")  # fmt: skip
    command.add_argument("file", metavar="FILE.ice")
    command.add_argument("--onnx", metavar="FILE.onnx", help="QDQ, for runtimes of quantized ONNX")
    command.add_argument("--onnx-integers", metavar="FILE.onnx",
                         help="ONNX with this arithmetic itself: equal codes, slower")  # fmt: skip
    command.add_argument("--c-header", metavar="FILE.h", help="constant arrays for C99 and C++")
    command.add_argument(
        "--integers", metavar="FILE.json|.npz", help="every layer's integers as one JSON or NPZ file"
    )
    command.add_argument("--folder", metavar="DIR",
                         help="integers, C header, test vectors, NumPy interpreter, read-me")  # fmt: skip
    command.add_argument("--data", metavar="DATA",
                         help="to compare ONNX Runtime on: a folder of pictures, a .npy or .npz; "
                         "default: the self-check and random codes")  # fmt: skip
    command.add_argument("--images", type=positive, default=8, help="for that; default: %(default)s")
    command.add_argument("--no-check", action="store_true", help="do not run the ONNX file")


def _export(args: Arguments) -> int:
    wanted = {key: getattr(args, key) for key in ("onnx", "onnx_integers", "c_header", "integers", "folder")}
    wanted = {key: path for key, path in wanted.items() if path is not None}
    if not wanted:
        raise ValueError("nothing to write: give --onnx, --onnx-integers, --c-header, --integers or --folder")
    if "integers" in wanted and Path(args.integers).suffix not in (".json", ".npz"):
        raise ValueError(f"--integers: expected a name that ends in .json or .npz, found {args.integers}")
    model = frozen.load(args.file)
    found: dict[str, Any] = {"model": args.file, "digest": model.digest, "written": wanted, "checks": {}}
    for key, path in wanted.items():
        _write(model, key, path)
        told = ""
        if key.startswith("onnx") and not args.no_check:
            check = model.check_onnx(path, *_inputs(model, args))
            found["checks"][key] = check.to_dict()
            told = f"\n{check}\n"
        if not args.json:
            print(f"saved  {path}{told}")
    if args.json:
        print(json.dumps(found))
    return 0


def _write(model: frozen.FrozenModel, key: str, path: str) -> None:
    if key in ("onnx", "onnx_integers"):
        model.export_onnx(path, integers=key == "onnx_integers")
    elif key == "c_header":
        model.export_c_header(path)
    elif key == "folder":
        model.export_folder(path)
    elif path.endswith(".json"):
        model.export_json(path)
    else:
        model.export_npz(path)


def _inputs(model: frozen.FrozenModel, args: Arguments) -> list[torch.Tensor]:
    """float32 (n, ...) of each input."""
    made = [torch.from_numpy(x) for x in example_inputs(model, args.images)]
    if args.data is None:
        return made
    parts: list[tuple[torch.Tensor, ...]] = []
    for batch in Batches(args.data, [x[:1] for x in made], model.recipe, who="--data"):
        parts.append(batch)
        if sum(len(part[0]) for part in parts) >= args.images:
            break
    return [torch.cat(side)[: args.images] for side in zip(*parts, strict=True)]
