"""Finds class folders without pictures, and more unreadable pictures than a recipe takes by default."""

from collections.abc import Iterator

from bakehouse.data.parsed import Samples
from bakehouse.plan.card import DatasetCard, Finding
from bakehouse.plurals import listed
from bakehouse.recipe.dataset import MAX_UNREADABLE
from bakehouse.recipe.patch import PatchStep


def picture_findings(card: DatasetCard, samples: Samples) -> Iterator[Finding]:
    """Yields which class folders are empty, and what the unreadable pictures mean for recipes."""
    if samples.empty_folders:
        message = (
            f"no pictures are in {listed(samples.empty_folders)}: a class without pictures is not learned, and one "
            "without pictures in a split is not measured there. Fill the folder, or remove it"
        )
        yield Finding(code="empty_folders", severity="warning", where="/classes", message=message)
    found = card.unreadable
    if found is None or found.count <= MAX_UNREADABLE * found.of:
        return
    message = (
        f"{found.count:,} of {found.of:,} pictures cannot be read, and a recipe takes at most {100 * MAX_UNREADABLE:g} "
        f"% of them by default: repair or remove them, or let `dataset.max_unreadable` pass over them. {found}"
    )
    patch = (PatchStep(op="replace", path="/dataset/max_unreadable", value=found.needed_share),)
    yield Finding(code="unreadable_pictures", severity="warning", where="/unreadable", message=message, patch=patch)
