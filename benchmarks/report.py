"""What a run leaves: the machine and every result as JSON, and the same as Markdown for people."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from . import environments, tables

_PACKAGES = {
    "main": ("torch",),
    "bench": ("onnxruntime", "openvino", "nncf", "torchao"),
    "executorch": ("executorch", "torch"),
}
_SHOW_VERSIONS = (
    "import json, sys; from importlib.metadata import version; "
    "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
)


def machine(isa: str | None) -> dict[str, Any]:
    """The CPU by name, its cores, the system, and the version of every engine."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.machine(),
        "cpus": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "isa": isa or "the best of the CPU",
        "versions": {"icepoint": metadata.version("icepoint"), **_versions()},
    }


def save(stem: Path, about: dict[str, Any], results: list[dict[str, Any]]) -> None:
    """Writes stem.json and stem.md."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": about, "results": results}
    stem.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
    stem.with_suffix(".md").write_text(markdown(about, results))


def markdown(about: dict[str, Any], results: list[dict[str, Any]]) -> str:
    """The whole report; docs/benchmarks.md says how to read it."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    head = (
        "# Benchmarks\n\n"
        f"{about['cpu']}, {about['cpus']} CPUs, {about['system']}; instruction set: {about['isa']}.\n"
        f"Python {about['python']}; {versions}.\n"
        "How this was measured and how to read it: docs/benchmarks.md.\n"
    )
    parts = [head, tables.ratio_table(results).markdown()]
    parts += [tables.engine_table(result).markdown() for result in results]
    parts += [tables.layer_table(result, name).markdown() for result in results for name in result["layers"]]
    parts.append(tables.calibration_table(results).markdown())
    return "\n".join(parts)


def _versions() -> dict[str, str]:
    found = {}
    for environment, packages in _PACKAGES.items():
        try:
            command = [environments.python_of(environment), "-c", _SHOW_VERSIONS, *packages]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            found[environment] = "not installed"
            continue
        for name, version in json.loads(done.stdout).items():
            found[name if name not in found else f"{name} ({environment})"] = version
    return found
