"""The data sets that Bakehouse knows by name: built-in ones, and public ones that users download."""

from dataclasses import dataclass
from pathlib import Path

BUILTIN = Path(__file__).parent / "builtin"
"""The folder of the data sets that come with the package, already packed."""


@dataclass(frozen=True, kw_only=True)
class KnownDataset:
    """A public data set whose files do not come with the package."""

    title: str
    origin: str
    instructions: str
    """Tells users how to get the files and where to put them."""
    system_folder: Path | None = None
    """The folder in which the operating system's package installs the files."""
    classes: tuple[str, ...] | None = None
    # False for pictures such as digits, whose mirror image is not one of their kind.
    mirror_safe: bool = True


KNOWN = {
    "fashion_mnist": KnownDataset(
        title="70,000 grey pictures of clothes, 28 x 28, ten classes",
        origin="Zalando SE, github.com/zalandoresearch/fashion-mnist; MIT licence",
        instructions="`apt install dataset-fashion-mnist`, or put its four .gz files into BAKEHOUSE_DATA/fashion_mnist",
        system_folder=Path("/usr/share/datasets/fashion-mnist"),
        classes=(
            "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
        ),
    ),
    "cifar10": KnownDataset(
        title="60,000 colour photographs, 32 x 32, ten classes",
        origin="Alex Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        instructions="put cifar-10-binary.tar.gz, as it is or unpacked, into BAKEHOUSE_DATA/cifar10",
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    ),
    "cifar100": KnownDataset(
        title="60,000 colour photographs, 32 x 32, a hundred classes",
        origin="Alex Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        instructions="put cifar-100-binary.tar.gz, as it is or unpacked, into BAKEHOUSE_DATA/cifar100",
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
    # It has no `classes`, because the digits are their own names.
    "mnist": KnownDataset(
        title="70,000 handwritten digits, 28 x 28",
        origin="Yann LeCun, Corinna Cortes, Christopher Burges, from NIST's special databases 1 and 3",
        instructions="put its four .gz files into BAKEHOUSE_DATA/mnist",
        mirror_safe=False,
    ),
}  # fmt: skip
