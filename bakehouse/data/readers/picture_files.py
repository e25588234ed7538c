"""Lists the pictures in a folder for each class, or in train, validation and test folders that hold class folders."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bakehouse.data.errors import UnusableSource
from bakehouse.data.source_files import Kind, list_folder

SUFFIXES = (".png", ".jpg", ".jpeg")
SPLIT_FOLDERS = {"train": "", "validation": "_validation", "val": "_validation", "test": "_test"}


@dataclass(frozen=True)
class Picture:
    """A picture file, with the facts from its header."""

    path: tuple[str, ...]
    """The names of the folders and of the file, below the set's folder."""
    split: str
    label: str
    size: tuple[int, int] = (0, 0)
    """Width and height of the upright picture, after the camera's orientation is applied."""
    grey: bool = False


def find_pictures(folder: Path, notes: list[str]) -> Iterator[Picture]:
    """Yields all pictures in the order of their names, so that the packed data is the same on any machine."""
    skipped = Skipped()
    names = skipped.folders(folder)
    if not names:
        ignored = "".join(f"; {note}" for note in skipped.notes())
        raise UnusableSource(
            "it holds no data: it needs a folder of PNG or JPEG pictures for each class, the four idx files of MNIST, "
            f"or the binary files of CIFAR{ignored}"
        )
    has_splits = "train" in names and set(names) <= set(SPLIT_FOLDERS)
    roots = [(SPLIT_FOLDERS[name], (name,)) for name in names] if has_splits else [("", ())]
    for split, root in roots:
        for label in skipped.folders(folder, *root) if root else names:
            for name in skipped.pictures(folder, *root, label):
                yield Picture((*root, label, name), split, label)
    notes.extend(skipped.notes())


@dataclass
class Skipped:
    """Lists folders and pictures, and remembers the entries that are neither."""

    files: list[str] = field(default_factory=list)
    folders_in_classes: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    """Links, pipes, sockets and devices."""

    def folders(self, source: Path, *path: str) -> list[str]:
        """Returns the names of the folders in a folder. Other files may lie beside them, such as a README."""
        entries = self._visible(source, *path)
        return [name for name, kind in entries.items() if kind == "folder"]

    def pictures(self, source: Path, *path: str) -> list[str]:
        """Returns the names of the pictures in a class folder."""
        entries = self._visible(source, *path)
        found = [name for name, kind in entries.items() if kind == "file" and name.lower().endswith(SUFFIXES)]
        for name in sorted(entries.keys() - set(found)):
            ignored = self.folders_in_classes if entries[name] == "folder" else self.files
            ignored += [f"{path[-1]}/{name}"[:80]] if entries[name] in ("file", "folder") else []
        return found

    def notes(self) -> Iterator[str]:
        """Yields a note for each kind of entries that were ignored."""
        if self.links:
            yield (
                "links, pipes, sockets and devices were ignored, because none are followed or opened: "
                f"{len(self.links)}, such as {self.links[0]!r}"
            )
        if self.folders_in_classes:
            yield (
                "folders in a class folder were ignored; move their pictures up, or the folders if each is a class: "
                f"{len(self.folders_in_classes)}, such as {self.folders_in_classes[0]!r}"
            )
        if self.files:
            yield f"files that are not PNG or JPEG were ignored: {len(self.files)}, such as {self.files[0]!r}"

    def _visible(self, source: Path, *path: str) -> dict[str, Kind]:
        entries = {name: kind for name, kind in list_folder(source, *path).items() if not name.startswith(".")}
        self.links += [
            "/".join((*path[-1:], name))[:80] for name, kind in entries.items() if kind not in ("file", "folder")
        ]
        return entries
