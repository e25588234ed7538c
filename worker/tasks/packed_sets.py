"""Finds the packed data set that a task reads."""

from pathlib import Path

from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetChanged
from bakehouse.data.packed_folders import read_card
from bakehouse.plan.card import DatasetCard

PACKING_SECONDS = 1.0


def find_packed(catalog: Catalog, name: str, fingerprint: str) -> tuple[Path, DatasetCard]:
    """Returns the folder and the card of a packed data set. Raises DatasetChanged if it has another fingerprint."""
    folder = catalog.folder(name, wait_seconds=PACKING_SECONDS)
    card = read_card(folder)
    if card.fingerprint != fingerprint:
        raise DatasetChanged(name)
    return folder, card
