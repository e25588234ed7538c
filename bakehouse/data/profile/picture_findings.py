"""Finds that more pictures are unreadable than a recipe takes by default."""

from collections.abc import Iterator

from bakehouse.plan.card import DatasetCard, Finding
from bakehouse.recipe.dataset import MAX_UNREADABLE
from bakehouse.recipe.patch import PatchStep


def picture_findings(card: DatasetCard) -> Iterator[Finding]:
    """Yields what the unreadable pictures mean for recipes."""
    found = card.unreadable
    if found is None or found.count <= MAX_UNREADABLE * found.of:
        return
    message = (
        f"{found.count:,} of {found.of:,} pictures cannot be read, and a recipe takes at most {100 * MAX_UNREADABLE:g} "
        f"% of them by default: repair or remove them, or let `dataset.max_unreadable` pass over them. {found}"
    )
    patch = (PatchStep(op="replace", path="/dataset/max_unreadable", value=found.needed_share),)
    yield Finding(code="unreadable_pictures", severity="warning", where="/unreadable", message=message, patch=patch)
