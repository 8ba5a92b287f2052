"""Checkpoints of a run that goes on: tensors and JSON with their digest, and the one before each is kept.

Nothing in them is code. One that is damaged is named and set aside, and the run goes on from the one before.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from largebatch import progress
from largebatch.files import atomic, bytes_of, tensors_in

TENSOR, STATE = "tensor of this number", "state"
DIGEST_BYTES = 32


def before(checkpoint: Path) -> Path:
    """Where the checkpoint before the last one lies."""
    return checkpoint.with_name(f"{checkpoint.name}.before")


def write(checkpoint: Path, state: dict) -> None:
    """Write what read() gives back; the last one becomes the one before."""
    content = encoded(state)
    if checkpoint.is_file():
        checkpoint.replace(before(checkpoint))
    write_sealed(checkpoint, content)


def remove(checkpoint: Path) -> None:
    """Remove the checkpoints of a run that is done; what was set aside stays."""
    for path in (checkpoint, before(checkpoint)):
        path.unlink(missing_ok=True)


def read(checkpoint: Path, wanted: dict) -> dict | None:
    """The last whole state whose "identity" is the wanted one; others are named."""
    for path, instead in ((checkpoint, before(checkpoint)), (before(checkpoint), None)):
        if not path.is_file():
            continue
        goes_on = "tries the one before" if instead and instead.is_file() else "starts anew"
        try:
            state = decoded(read_sealed(path))
            changed = [name for name in wanted if state["identity"].get(name) != wanted[name]]
        except (ValueError, OSError, RuntimeError, LookupError, TypeError, AttributeError):
            aside = path.with_name(f"{path.name}.damaged")
            path.replace(aside)
            progress.say(
                f"{path}: wanted a whole checkpoint of this version; got another, now {aside.name}: {goes_on}"
            )
            continue
        if not changed:
            return state
        progress.say(f"{path}: wanted one of this run; got other {' and '.join(changed)}: {goes_on}")
    return None


def write_sealed(path: Path, content: bytes) -> None:
    """Bytes after their sha256, so that a damaged file is noticed when it is read."""
    with atomic(path, sealed=False) as temporary:
        temporary.write_bytes(sha256(content).digest() + content)


def read_sealed(path: Path) -> bytes:
    """What write_sealed wrote; a ValueError if it is not whole."""
    data = path.read_bytes()
    digest, content = data[:DIGEST_BYTES], data[DIGEST_BYTES:]
    if sha256(content).digest() != digest:
        raise ValueError(f"{path}: wanted a whole file; got {len(data)} bytes, not those that were written")
    return content


def encoded(state: dict) -> bytes:
    """A state of JSON's types and tensors as safetensors; keys of mappings are texts."""
    tensors: list[torch.Tensor] = []

    def numbered(value: Any) -> dict:
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"checkpoint: wanted numbers, texts and tensors; got {type(value).__name__}")
        tensors.append(value)
        return {TENSOR: len(tensors) - 1, "device": value.device.type, "strides": value.stride()}

    text = json.dumps(state, default=numbered).encode()
    named = {str(number): tensor for number, tensor in enumerate(tensors)}
    return bytes_of(named | {STATE: torch.frombuffer(bytearray(text), dtype=torch.uint8)})


def decoded(content: bytes) -> dict:
    """What encoded() was given: tensors on their device and in their layout, tuples as lists."""
    tensors = tensors_in(content)

    def tensor_of(value: dict) -> Any:
        if TENSOR not in value:
            return value
        return laid_out(tensors[str(value[TENSOR])].to(value["device"]), value["strides"])

    return json.loads(tensors[STATE].numpy().tobytes(), object_hook=tensor_of)


def laid_out(tensor: torch.Tensor, strides: list[int]) -> torch.Tensor:
    """The same numbers with these strides, unless some would share memory: sums depend on the order."""
    if list(tensor.stride()) == strides or 0 in strides:
        return tensor
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device=tensor.device).copy_(tensor)
