"""How common each class of a data set is."""

from bakehouse.plan.plan import Plan


def class_shares(plan: Plan) -> tuple[float, ...] | None:
    """Returns the share of each class among the rows of the data set; None if the card does not say."""
    columns = {column.name: column for column in plan.card.columns or ()}
    name = plan.data.main.name
    counts = columns[name].class_counts if name in columns else plan.card.class_counts
    return tuple(count / sum(counts) for count in counts) if counts and sum(counts) else None
