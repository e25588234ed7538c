"""Computes the losses that compare a student's probabilities with those of its teacher."""

from torch import Tensor
from torch.nn import functional

from worker.objective.teacher import class_logits


def divergence(outputs: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Returns T^2 KL(softmax(z_t / T) || softmax(z_s / T)), summed over classes and averaged over rows.
    Hinton et al. 2015, arXiv 1503.02531."""
    student = functional.log_softmax(class_logits(outputs) / temperature, 1)
    teacher = functional.log_softmax(teacher_logits / temperature, 1)
    # Both arguments are logarithms, so that tiny probabilities of the teacher are not rounded to 0.
    return temperature**2 * functional.kl_div(student, teacher, reduction="batchmean", log_target=True)


def soft_cross_entropy(outputs: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Returns H(softmax(z_t / T), softmax(z_s / T)), averaged over rows, without a factor T^2. Romero et al. 2015,
    arXiv 1412.6550, equation 2."""
    return functional.cross_entropy(class_logits(outputs) / temperature, (teacher_logits / temperature).softmax(1))
