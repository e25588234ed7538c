"""Builds the trained model that a student learns from."""

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
    """A model in evaluation mode that is not trained. It takes inputs with the student's normalization."""

    def __init__(self, plan: Plan, weights: Weights, student: Normalize, *, precision: str) -> None:
        device = student.shift.device
        self.model = build_model(plan)
        self.model.load_state_dict(weights)
        self.model.to(device).eval().requires_grad_(False)
        normalize, *layers = self.model
        assert isinstance(normalize, Normalize)
        # Inputs arrive normalised, so the teacher's own first layer is left out.
        self.layers = nn.Sequential(*layers)
        self.factor, self.offset = affine_between(student, normalize)
        self.has_whitening = isinstance(student, Whiten) or isinstance(normalize, Whiten)
        if self.has_whitening:
            self.matrix, self.offset = matrix_between(student, normalize)
        self.main = plan.data.main.columns
        self.device_type = device.type
        self.is_bfloat16 = precision == "bfloat16"

    @torch.no_grad()
    def outputs_of(self, layers: nn.Module, inputs: Tensor) -> Tensor:
        """Returns the outputs of `layers`, which are layers of the teacher that follow its normalization."""
        with torch.autocast(self.device_type, dtype=torch.bfloat16, enabled=self.is_bfloat16):
            outputs: Tensor = layers(self.normalised(inputs))
        return outputs.float()

    def normalised(self, inputs: Tensor) -> Tensor:
        """Converts inputs from the student's normalization to the teacher's."""
        if not self.has_whitening:
            return inputs * self.factor + self.offset
        rows = inputs.flatten(1) if inputs.ndim == 4 else inputs
        # Autocast would convert the inputs in 16 bits, which is too coarse for a sum over all features.
        with torch.autocast(self.device_type, enabled=False):
            return (rows @ self.matrix + self.offset).view(inputs.shape)

    def logits(self, inputs: Tensor) -> Tensor:
        """Returns a logit for each class of the main target, without the outputs of further targets."""
        return class_logits(self.outputs_of(self.layers, inputs)[:, self.main])


def teacher_of(plan: Plan, checkpoints: Mapping[str, Weights], model: nn.Sequential) -> Teacher | None:
    """Returns the teacher that the recipe names, or None."""
    checkpoint = teacher_in(plan.recipe)
    normalize = model[0]
    if checkpoint is None:
        return None
    assert isinstance(normalize, Normalize)
    digest = checkpoint.digest
    return Teacher(plan.checkpoints[digest], checkpoints[digest], normalize, precision=plan.recipe.precision)


def affine_between(student: Normalize, teacher: Normalize) -> tuple[Tensor, Tensor]:
    """Returns the factor t/s and the offset (a - b) t that convert (x - a) s to (x - b) t.

    If s is 0, the student's inputs do not determine x; then x is taken to be a, its value in all training rows.
    """
    a, s, b, t = (part.double() for layer in (student, teacher) for part in (layer.shift, layer.scale))
    factor = torch.where(s == 0, 0.0, t / torch.where(s == 0, 1.0, s))
    return factor.float(), ((a - b) * t).float()


def matrix_between(student: Normalize, teacher: Normalize) -> tuple[Tensor, Tensor]:
    """Returns the matrix V^-1 diag(f) W and the offset o W that convert z V to (z f + o) W, if a model whitens its
    inputs. V and W are the whitening matrices of student and teacher, or I without whitening; f and o are as in
    `affine_between`."""
    # An image's statistics are per pixel with whitening and per channel without it; the larger shape holds both.
    shape = max(student.shift.shape, teacher.shift.shape, key=math.prod)
    shift, scale, other_shift, other_scale = (
        part.double().expand(shape) for layer in (student, teacher) for part in (layer.shift, layer.scale)
    )
    factor = torch.where(scale == 0, 0.0, other_scale / torch.where(scale == 0, 1.0, scale)).flatten()
    offset = ((shift - other_shift) * other_scale).flatten()
    matrix = factor.diag()
    if isinstance(student, Whiten):
        # `solve` is more accurate than a product with the inverse.
        matrix = torch.linalg.solve(student.matrix.double(), matrix)
    if isinstance(teacher, Whiten):
        matrix, offset = matrix @ teacher.matrix.double(), offset @ teacher.matrix.double()
    return matrix.float(), offset.float()


def class_logits(outputs: Tensor) -> Tensor:
    """Returns a logit for each class; a single logit is that of class 1 against class 0."""
    return outputs if outputs.shape[1] > 1 else functional.pad(outputs, (1, 0))
