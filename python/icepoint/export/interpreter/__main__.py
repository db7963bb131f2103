"""`python -m interpreter integers.npz vectors.npz`: computes all codes and reals again and compares."""

import sys

import numpy as np

from .model import load


def main(integers, vectors):
    model = load(integers)
    with np.load(vectors, allow_pickle=False) as arrays:
        wanted = [arrays[str(k)] for k in range(len(model.inputs) + len(model))]
        reals = [arrays[f"output.{i}"] for i in range(len(model.outputs))]
    inputs = wanted[: len(model.inputs)]
    for (name, codes), want in zip(model.trace(*inputs).items(), wanted, strict=True):
        _compare(name, codes, want, "codes")
    found = model.reals(*inputs)
    for output, r, want in zip(model.outputs, found if len(reals) > 1 else [found], reals, strict=True):
        _compare(output["name"], r, want, "reals")
    print(
        f"{len(wanted[0])} inputs, {len(wanted)} values: every code is equal, and every real of the outputs"
    )


def _compare(name, found, want, what):
    if not np.array_equal(found, want):
        sys.exit(f"{name}: {np.count_nonzero(found != want)} of {want.size} {what} differ")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m interpreter integers.npz vectors.npz")
    main(*sys.argv[1:])
