"""Data sets that are known by name, shipped or not."""

from dataclasses import dataclass
from pathlib import Path

BUILTIN = Path(__file__).parent / "builtin"
"""Packed sets that come with the package."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """A public set whose files are not shipped."""

    title: str
    origin: str
    how: str
    """How to get its files."""
    system: Path | None = None
    """Where a system package puts them."""
    classes: tuple[str, ...] | None = None
    mirror_safe: bool = True


KNOWN = {
    "fashion_mnist": Known(
        title="70,000 grey pictures of clothes, 28 x 28, ten classes",
        origin="Zalando SE, github.com/zalandoresearch/fashion-mnist; MIT licence",
        how="`apt install dataset-fashion-mnist`, or its four .gz files in fashion_mnist/ under BAKEHOUSE_DATA",
        system=Path("/usr/share/datasets/fashion-mnist"),
        classes=(
            "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
        ),
    ),
    "mnist": Known(
        title="70,000 handwritten digits, 28 x 28",
        origin="Yann LeCun, Corinna Cortes, Christopher Burges, from NIST's special databases 1 and 3",
        how="its four .gz files in mnist/ under BAKEHOUSE_DATA",
        mirror_safe=False,
    ),
}  # fmt: skip
