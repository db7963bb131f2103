"""`python -m interpreter integers.npz vectors.npz`: computes every layer's codes again and compares them."""

import sys

import numpy as np

from .model import load


def main(integers, vectors):
    model = load(integers)
    with np.load(vectors, allow_pickle=False) as arrays:
        wanted = [arrays[str(k)] for k in range(len(model.inputs) + len(model))]
    found = model.trace(*wanted[: len(model.inputs)])
    for (name, codes), want in zip(found.items(), wanted, strict=True):
        if not np.array_equal(codes, want):
            sys.exit(f"{name}: {np.count_nonzero(codes != want)} of {want.size} codes differ")
    print(f"{len(wanted[0])} inputs, {len(wanted)} values: every code is equal")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m interpreter integers.npz vectors.npz")
    main(*sys.argv[1:])
