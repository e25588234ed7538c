"""A trained model that another one learns from."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from bakehouse.plan.plan import Plan
from bakehouse.plan.sources.teacher import teacher_in
from worker.model.build import build_model
from worker.model.modules import Normalize, Whiten
from worker.types import Weights


class Teacher:
    """Evaluates, and learns nothing. It takes inputs as the student's first layer gets them."""

    def __init__(self, plan: Plan, weights: Weights, student: Normalize, *, precision: str) -> None:
        device = student.shift.device
        self.model = build_model(plan)
        self.model.load_state_dict(weights)
        self.model.to(device).eval().requires_grad_(False)
        normalize, *layers = self.model
        assert isinstance(normalize, Normalize)
        self.core = nn.Sequential(*layers)
        self.factor, self.offset = affine_between(student, normalize)
        self.is_mixed = isinstance(student, Whiten) or isinstance(normalize, Whiten)
        if self.is_mixed:
            self.matrix, self.offset = matrix_between(student, normalize)
        self.classes = 1 if plan.recipe.objective.loss == "binary_cross_entropy" else len(plan.data.classes or ())
        self.device_type, self.is_short = device.type, precision == "bfloat16"

    @torch.no_grad()
    def answer(self, part: nn.Module, inputs: Tensor) -> Tensor:
        """What a part of the teacher says that begins behind its normalization."""
        with torch.autocast(self.device_type, dtype=torch.bfloat16, enabled=self.is_short):
            outputs: Tensor = part(self.normalised(inputs))
        return outputs.float()

    def normalised(self, inputs: Tensor) -> Tensor:
        """The student's inputs as the teacher's first layer gets them."""
        if not self.is_mixed:
            return inputs * self.factor + self.offset
        rows = inputs.flatten(1) if inputs.ndim == 4 else inputs
        with torch.autocast(self.device_type, enabled=False):
            return (rows @ self.matrix + self.offset).view(inputs.shape)

    def logits(self, inputs: Tensor) -> Tensor:
        """One a class; those of further tasks stand behind and are left out."""
        return class_logits(self.answer(self.core, inputs)[:, : self.classes])


def teacher_of(plan: Plan, checkpoints: Mapping[str, Weights], model: nn.Sequential) -> Teacher | None:
    """The one that the recipe names."""
    checkpoint, normalize = teacher_in(plan.recipe), model[0]
    if checkpoint is None:
        return None
    assert isinstance(normalize, Normalize)
    digest = checkpoint.digest
    return Teacher(plan.checkpoints[digest], checkpoints[digest], normalize, precision=plan.recipe.precision)


def affine_between(student: Normalize, teacher: Normalize) -> tuple[Tensor, Tensor]:
    """From ((x - a) s) to ((x - b) t): a factor t/s and an offset (a - b) t, once for both maps.

    Where s is 0, the student's inputs do not tell x, which in its training rows was a.
    """
    a, s, b, t = (part.double() for layer in (student, teacher) for part in (layer.shift, layer.scale))
    factor = torch.where(s == 0, 0.0, t / torch.where(s == 0, 1.0, s))
    return factor.float(), ((a - b) * t).float()


def matrix_between(student: Normalize, teacher: Normalize) -> tuple[Tensor, Tensor]:
    """From z V to (z f + o) W, as a matrix V^-1 diag(f) W and an offset o W, where one of them whitens. V, W are I for
    one that does not; f and o are those of `affine_between`."""
    shape = max(student.shift.shape, teacher.shift.shape, key=math.prod)
    shift, scale, other_shift, other_scale = (
        part.double().expand(shape) for layer in (student, teacher) for part in (layer.shift, layer.scale)
    )
    factor = torch.where(scale == 0, 0.0, other_scale / torch.where(scale == 0, 1.0, scale)).flatten()
    offset = ((shift - other_shift) * other_scale).flatten()
    matrix = factor.diag()
    if isinstance(student, Whiten):
        matrix = torch.linalg.solve(student.matrix.double(), matrix)
    if isinstance(teacher, Whiten):
        matrix, offset = matrix @ teacher.matrix.double(), offset @ teacher.matrix.double()
    return matrix.float(), offset.float()


def class_logits(outputs: Tensor) -> Tensor:
    """One logit a class: a single one is that of class 1 against 0."""
    return outputs if outputs.shape[1] > 1 else functional.pad(outputs, (1, 0))
