"""Targets that a test makes without a data set."""

from bakehouse.plan.targets import Target
from bakehouse.recipe.objective import Loss


def make_targets(*kinds: tuple[Loss, int, float]) -> tuple[Target, ...]:
    """Targets t0, t1, ... from a loss, the classes (0 for numbers) and a weight each."""
    targets: list[Target] = []
    for index, (loss, classes, weight) in enumerate(kinds):
        target = Target(
            index=index,
            is_alone=len(kinds) == 1,
            name=f"t{index}",
            task="classification" if classes else "regression",
            classes=tuple(map(str, range(classes))) if classes else None,
            minimum=None,
            loss=loss,
            weight=weight,
            first=targets[-1].columns.stop if targets else 0,
        )
        targets.append(target)
    return tuple(targets)
