"""What a teacher's probabilities add to the loss."""

from torch import Tensor
from torch.nn import functional

from worker.objective.teacher import class_logits


def divergence(outputs: Tensor, told: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(z_t / T) || softmax(z_s / T)), summed over classes, the mean over rows.
    Hinton et al. 2015, arXiv 1503.02531."""
    ours, theirs = (functional.log_softmax(logits / temperature, 1) for logits in (class_logits(outputs), told))
    return temperature**2 * functional.kl_div(ours, theirs, reduction="batchmean", log_target=True)


def soft_cross_entropy(outputs: Tensor, told: Tensor, temperature: float) -> Tensor:
    """H(softmax(z_t / T), softmax(z_s / T)), the mean over rows, without a factor T^2. Romero et al. 2015,
    arXiv 1412.6550, equation 2."""
    return functional.cross_entropy(class_logits(outputs) / temperature, (told / temperature).softmax(1))
