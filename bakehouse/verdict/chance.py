"""What a model reaches that has learned nothing, and how sure a share of rows is."""

from dataclasses import dataclass
from math import log, sqrt

from bakehouse.advice.class_shares import class_shares
from bakehouse.plan.plan import Plan

Z = 1.96
"""The number of standard errors on each side of an interval of 95 %."""


@dataclass(frozen=True)
class Guess:
    """The model that always gives the same probabilities: the shares of the classes."""

    answer: str
    """The commonest class."""
    accuracy: float
    """The share of the commonest class."""
    loss: float
    """The entropy of the classes, in nats."""
    classes: int


def best_guess(plan: Plan) -> Guess | None:
    """Returns what always answering the commonest class gives; None for numbers. Without counts, all classes are taken
    to be equally common."""
    classes = plan.data.main.classes
    if classes is None:
        return None
    shares = class_shares(plan) or (1 / len(classes),) * len(classes)
    entropy = -sum(share * log(share) for share in shares if share > 0)
    return Guess(classes[shares.index(max(shares))], max(shares), entropy, len(classes))


def wilson_interval(share: float, rows: int) -> tuple[float, float]:
    """Returns the interval of 95 % around a share of rows. Wilson 1927; Brown et al. 2001, Statistical Science 16."""
    spread = Z * sqrt(share * (1 - share) / rows + Z * Z / (4 * rows * rows))
    centre = share + Z * Z / (2 * rows)
    return (centre - spread) / (1 + Z * Z / rows), (centre + spread) / (1 + Z * Z / rows)
