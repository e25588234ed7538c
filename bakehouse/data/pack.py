"""`python -m bakehouse.data.pack NAME SOURCE TARGET`: reads files that nobody vouches for, under limits.

Prints one line of JSON: {"ok": true}, or {"problem": "..."}, which is also kept in TARGET.
"""

import json
import resource
import signal
import sys
from pathlib import Path
from types import FrameType

from bakehouse.data.cifar import holds_cifar, read_cifar
from bakehouse.data.csv_table import read_csv
from bakehouse.data.errors import UnusableSource
from bakehouse.data.idx import holds_idx, read_idx
from bakehouse.data.known_datasets import KNOWN
from bakehouse.data.npz import read_npz
from bakehouse.data.packed import write_packed
from bakehouse.data.packed_folders import write_problem
from bakehouse.data.parsed import About, Contents
from bakehouse.data.pictures import read_pictures
from bakehouse.plan.card import DatasetCard

GIB = 1 << 30
CPU_SECONDS = 600
LIMITS = {
    resource.RLIMIT_AS: 8 * GIB,
    resource.RLIMIT_FSIZE: 4 * GIB,
    resource.RLIMIT_CPU: CPU_SECONDS,
    resource.RLIMIT_CORE: 0,
}


class TooSlow(Exception):
    """Comes in the middle of anything; no parser must take it for an error in the files."""


def pack(name: str, source: Path, target: Path) -> DatasetCard:
    """Reads a file or folder and writes its packed form."""
    about = describe(name, source)
    return write_packed(read(source, about), about, target)


def describe(name: str, source: Path) -> About:
    """What is known of a set by its name."""
    known = KNOWN.get(name)
    if known is None:
        return About(id=name, origin=f"{'folder' if source.is_dir() else 'file'} {source.name}")
    return About(
        id=name, title=known.title, origin=known.origin, mirror_safe=known.mirror_safe, classes=known.classes
    )  # fmt: skip


def read(source: Path, about: About) -> Contents:
    """By what the source is: a folder of idx files, of CIFAR's files or of pictures, a CSV file, an NPZ file."""
    if source.is_dir() and holds_idx(source):
        return read_idx(source, about.classes)
    if source.is_dir():
        return read_cifar(source, about.classes) if holds_cifar(source) else read_pictures(source)
    return read_csv(source) if source.suffix.lower() == ".csv" else read_npz(source)


def limit() -> None:
    """For this process only."""
    for what, most in LIMITS.items():
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, hard))
    signal.signal(signal.SIGXCPU, _give_up)


def _give_up(_signal: int, _frame: FrameType | None) -> None:
    raise TooSlow


def main(name: str, source: Path, target: Path) -> None:
    """Whatever is wrong with the source is an answer; all else is a crash that the caller sees."""
    limit()
    try:
        pack(name, source, target)
        answer: dict[str, object] = {"ok": True}
    except UnusableSource as error:
        answer = {"problem": str(error)}
    except PermissionError as error:
        answer = {"problem": f"{Path(str(error.filename)).name} may not be read by this user"}
    except TooSlow:
        answer = {"problem": f"reading it takes more than {CPU_SECONDS} seconds of processor time"}
    except MemoryError:
        answer = {"problem": f"reading it takes more than {LIMITS[resource.RLIMIT_AS] // GIB} GiB of memory"}
    if "problem" in answer:
        write_problem(target, str(answer["problem"]))
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
