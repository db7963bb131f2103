"""Builds the package and its extension `icepoint._C`: C++ sources by folder, torch's stable ABI."""

import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup

try:
    from torch.utils.cpp_extension import BuildExtension, include_paths, library_paths
except ImportError as error:
    # Not in build-system.requires: an isolated build would fetch another torch than the one that runs.
    sys.exit(
        f"icepoint is built against the torch that will load it, and here there is none ({error}).\n"
        "Install torch first, then build without isolation:\n"
        "    pip install torch==2.13.0\n"
        "    pip install --no-build-isolation -e ."
    )

ROOT = Path(__file__).parent
SOURCES = [
    str(path.relative_to(ROOT))
    for path in sorted((ROOT / "csrc").rglob("*.cpp"))
    if "replay" not in path.parts  # the executable is CMake's
]
HEADERS = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "csrc").rglob("*.h"))]

setup(
    packages=find_packages("python"),
    package_dir={"": "python"},
    ext_modules=[
        Extension(
            "icepoint._C",
            SOURCES,
            depends=HEADERS,
            language="c++",
            include_dirs=[str(ROOT / "csrc"), *include_paths()],
            library_dirs=library_paths(),
            # libtorch_cpu only: no symbol of libtorch_python or of torch's C++ ABI is used.
            libraries=["torch_cpu", "c10", "crypto"],
            define_macros=[("TORCH_TARGET_VERSION", "0x020b000000000000")],
            # -ffp-contract=off: a fused multiply-add would change a quantized byte. -g0 undoes Python's -g.
            extra_compile_args=["-std=c++20", "-O3", "-g0", "-ffp-contract=off", "-fvisibility=hidden"],
        )
    ],
    cmdclass={"build_ext": BuildExtension.with_options(use_ninja=True)},
)
