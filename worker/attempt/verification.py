"""Verifies a finished run: trains its recipe again, is killed and resumed half-way, and compares the results."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from bakehouse.model import JsonObject
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.record import Record
from bakehouse.runs.run import Expected, Verification


class HalfWayKill:
    """Says when the process that repeats a run saves a resume state, and when it is killed.

    Some steps lie between the two, so that the resumed run has to repeat them.
    """

    def __init__(self, record: Record) -> None:
        steps = record.verification.expected.step if record.verification else 0
        was_killed = any(transition.reason == "worker_lost" for transition in record.transitions)
        self.is_pending = record.verification is not None and not was_killed
        self.is_saved = False
        self.save_step = steps // 3
        self.kill_step = max(1, steps // 2)

    def must_save(self, step: int) -> bool:
        """Returns whether the resume state is due."""
        return self.is_pending and not self.is_saved and step >= self.save_step

    def must_kill(self, step: int) -> bool:
        """Returns whether the process must be killed now."""
        return self.is_pending and self.is_saved and step >= self.kill_step


@dataclass(frozen=True)
class Repeated:
    """The results of the run that repeats another one."""

    step: int
    metrics: JsonObject
    weights: dict[str, str]
    """The digests of the best and the last weights."""
    environment: JsonObject


def conclude(verification: Verification, repeated: Repeated, artifacts: Artifacts, run_id: str) -> Verification:
    """Returns the verification with its verdict; `run_id` is the run that repeated the other one."""
    difference = next(differences(verification, repeated, artifacts, run_id), None)
    if difference is None:
        return verification.model_copy(update={"verdict": "identical"})
    tensor, message = difference
    changed = changes(verification.expected, repeated.environment)
    if changed:
        message += f" The two runs had other environments: {changed}."
    return verification.model_copy(update={"verdict": "different", "tensor": tensor, "message": message})


def differences(
    verification: Verification, repeated: Repeated, artifacts: Artifacts, run_id: str
) -> Iterator[tuple[str | None, str]]:
    """Yields each difference as the name of a tensor, if it is one, and a sentence."""
    expected = verification.expected
    if repeated.step != expected.step:
        yield None, f"The repeated run ended after step {repeated.step} instead of step {expected.step}."
    for role, sha256 in expected.weights.items():
        if repeated.weights[role] == sha256:
            continue
        before = artifacts.checkpoint_path(verification.run, sha256)
        if not before.exists():
            yield None, f"The {role} weights differ; the tensor is unknown, because the verified run was deleted."
            continue
        for name, message in different_tensors(before, artifacts.checkpoint_path(run_id, repeated.weights[role])):
            yield name, f"In the {role} weights, {message}"
    for name, value in expected.metrics.items():
        if repeated.metrics.get(name) != value:
            yield None, f"The metric {name} is {repeated.metrics.get(name)} instead of {value}."


def different_tensors(expected: Path, found: Path) -> Iterator[tuple[str, str]]:
    """Yields the name of each tensor that is not bit-identical in both files, with a sentence, in the file's order."""
    others = safetensors.torch.load_file(found)
    tensors = safetensors.torch.load_file(expected)
    for name in [name for name in others if name not in tensors]:
        yield name, f"the tensor {name} is new."
    for name, tensor in tensors.items():
        other = others.get(name)
        if other is None:
            yield name, f"the tensor {name} is missing."
        elif (other.shape, other.dtype) != (tensor.shape, tensor.dtype):
            yield name, f"the tensor {name} has another shape or type."
        elif not is_identical(tensor, other):
            largest = (tensor.double() - other.double()).abs().max().item()
            yield name, f"the tensor {name} differs by up to {largest:.3g}."


def is_identical(tensor: Tensor, other: Tensor) -> bool:
    """Returns whether two tensors have the same bits; unlike `torch.equal`, also if they contain NaN."""
    # A tensor without dimensions cannot be seen as bytes.
    return torch.equal(tensor.reshape(-1).view(torch.uint8), other.reshape(-1).view(torch.uint8))


def changes(expected: Expected, environment: JsonObject) -> str:
    """Returns what has changed in the environment on which the bits depend, as text; empty if nothing has."""
    before = {"device": expected.device, "threads": expected.threads, **expected.versions}
    now = {"device": environment["device"], "threads": environment["threads"], **environment["versions"]}
    return ", ".join(
        f"{name} {now.get(name)} instead of {value}" for name, value in before.items() if now.get(name) != value
    )
