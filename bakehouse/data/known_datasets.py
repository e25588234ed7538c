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
    "cifar10": Known(
        title="60,000 colour photographs, 32 x 32, ten classes",
        origin="Alex Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        how="the binary version, cifar-10-binary.tar.gz, as it is or unpacked, in cifar10/ under BAKEHOUSE_DATA",
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    ),
    "cifar100": Known(
        title="60,000 colour photographs, 32 x 32, a hundred classes",
        origin="Alex Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        how="the binary version, cifar-100-binary.tar.gz, as it is or unpacked, in cifar100/ under BAKEHOUSE_DATA",
        classes=(
            "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl",
            "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair",
            "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin",
            "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp",
            "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
            "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck",
            "pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road",
            "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
            "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger",
            "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman",
            "worm",
        ),
    ),
    "mnist": Known(
        title="70,000 handwritten digits, 28 x 28",
        origin="Yann LeCun, Corinna Cortes, Christopher Burges, from NIST's special databases 1 and 3",
        how="its four .gz files in mnist/ under BAKEHOUSE_DATA",
        mirror_safe=False,
    ),
}  # fmt: skip
