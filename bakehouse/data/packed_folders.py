"""What lies in `BAKEHOUSE_HOME/datasets`: a folder for each set and state of its files, packed or broken."""

import fcntl
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from bakehouse.plan.card import DatasetCard


def is_packed(folder: Path) -> bool:
    """Whether the set is there, whole."""
    return (folder / "card.json").is_file()


# A folder's name has the signature of its source, so what is in it never changes.
@lru_cache(maxsize=1024)
def read_card(folder: Path) -> DatasetCard:
    """The card of a packed set."""
    return DatasetCard.model_validate_json((folder / "card.json").read_bytes())


def write_problem(folder: Path, problem: str) -> None:
    """Says in place of the packed set why there is none, so that it is not tried again."""
    aside = folder.with_name(f".{folder.name}.aside")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    # A file's name need not be Unicode, but what is sent to users must be.
    text = problem.encode(errors="backslashreplace").decode()
    (aside / "broken.json").write_text(json.dumps({"problem": text}), encoding="utf-8")
    aside.rename(folder)


def read_problem(folder: Path) -> str | None:
    """Why the set could not be packed, if that was found."""
    path = folder / "broken.json"
    return str(json.loads(path.read_bytes())["problem"]) if path.is_file() else None


@contextmanager
def locked(datasets: Path, name: str) -> Iterator[int]:
    """Held by one process at a time; the descriptor may be handed to a child, which then holds it too."""
    datasets.mkdir(parents=True, exist_ok=True)
    with (datasets / f".{name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def remove_older(folder: Path, name: str) -> None:
    """Deletes what was made of earlier states of the set's files; arrays that are mapped stay readable."""
    ours = re.compile(rf"\.?{re.escape(name)}-[0-9a-f]{{16}}(\.aside)?")
    for path in folder.parent.iterdir():
        if path != folder and ours.fullmatch(path.name):
            shutil.rmtree(path)
