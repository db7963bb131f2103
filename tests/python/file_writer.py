"""A second writer of headers, from docs/format.md alone: other metadata around the same payload."""

import hashlib
import json


def spell(value) -> str:
    """The one spelling of a JSON value; Python writes floats of ordinary size as the page asks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def header_of(data: bytes) -> dict:
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length])


def metadata_of(data: bytes) -> dict[str, str]:
    return header_of(data)["__metadata__"]


def with_metadata(data: bytes, **texts: str) -> bytes:
    """The file `data` with these metadata keys set, its length, padding and digest put right."""
    header = header_of(data)
    payload = data[8 + int.from_bytes(data[:8], "little") :]
    metadata = {**header["__metadata__"], **texts, "digest": "0" * 64}
    header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-(8 + len(text)) % 64)
    data = len(text).to_bytes(8, "little") + text + payload
    return data[:35] + hashlib.sha256(data).hexdigest().encode() + data[99:]
