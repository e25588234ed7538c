"""How common each class of a data set is."""

from bakehouse.plan.plan import Plan
from bakehouse.plan.splits import class_counts


def class_shares(plan: Plan) -> tuple[float, ...] | None:
    """Returns the share of each class among the rows of the data set; None if the card does not say."""
    counts = class_counts(plan.card, plan.data)
    return tuple(count / sum(counts) for count in counts) if counts else None
