"""Finds the pictures of a data set and their labels: by the folder of each class, by train, validation and test folders
of class folders, or by a CSV file that names the pictures."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from bakehouse.data.errors import UnusableSource
from bakehouse.data.readers.arrow_folders import find_labels, holds_arrow
from bakehouse.data.readers.picture_labels import SUFFIXES as CSV_SUFFIXES
from bakehouse.data.readers.picture_labels import PicturePath, read_labels, show
from bakehouse.data.source_files import Kind, list_folder, refusal
from bakehouse.data.split_names import SPLIT_NAMES, find_suffix
from bakehouse.plurals import count_of

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
"""The formats that Pillow may decode; a file's content decides which of them it is."""
FORMAT_NAMES = "PNG, JPEG, WebP, BMP, GIF or TIFF"
SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff",
)  # fmt: skip
LEFT_BY_SYSTEMS = {
    "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "system volume information",
    "lost+found",
}  # fmt: skip
"""What operating systems put beside the pictures of a user; it is passed over without a note."""
MAX_DEPTH = 32
LAYOUTS = (
    f"it needs a folder of {FORMAT_NAMES} pictures for each class; or such folders in folders named "
    f"{', '.join(SPLIT_NAMES)}; or pictures and one CSV file with a column of their names and a column of labels; or "
    "the four idx files of MNIST, or the binary files of CIFAR; or tables called train.csv, test.csv and the like"
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture file, with the facts from its header."""

    path: PicturePath
    """The names of the folders and of the file, below the set's folder."""
    split: str
    label: str
    size: tuple[int, int] = (0, 0)
    """Width and height of the upright picture, after the camera's orientation is applied."""
    grey: bool = False


@dataclass
class Folder:
    """The visible entries of a folder and of all folders in it."""

    pictures: list[PicturePath] = field(default_factory=list)
    files: list[PicturePath] = field(default_factory=list)
    """Files with the ending of no picture, and folders that are too deep."""
    links: list[tuple[PicturePath, Kind]] = field(default_factory=list)
    """Links, pipes, sockets and devices."""
    folders: list[PicturePath] = field(default_factory=list)

    def without_pictures(self, root: PicturePath, *, has_splits: bool) -> list[str]:
        """Returns the paths of class folders, below `root` or in the folders of splits there, that hold no pictures."""
        depth = len(root) + (2 if has_splits else 1)
        filled = {path[:depth] for path in self.pictures if len(path) > depth}
        return [
            show(path)
            for path in self.folders
            if len(path) == depth
            and path[: len(root)] == root
            and path not in filled
            and (not has_splits or find_suffix(path[len(root)]) is not None)
        ]

    def notes(self) -> Iterator[str]:
        """Yields a note for each kind of entries that were passed over."""
        if self.links:
            path, kind = self.links[0]
            others = f"; {count_of(len(self.links) - 1, 'more link or device')} passed over" if self.links[1:] else ""
            yield f"{show(path)} {refusal(kind)}{others}"
        if self.files:
            yield (
                f"files that are not {FORMAT_NAMES} pictures were passed over: {len(self.files)}, such as "
                f"{show(self.files[0])!r}"
            )


def find_pictures(source: Path, notes: list[str], empty: list[str]) -> list[Picture]:
    """Returns all pictures in the order of their names, so that the packed data is the same on any machine. Adds to
    `empty` the class folders without pictures."""
    if holds_arrow(source):
        return [Picture(label.path, label.split, label.text) for label in find_labels(source, notes)]
    folder = list_all(source)
    if not folder.pictures:
        notes += folder.notes()
        raise UnusableSource("; ".join([f"it holds no pictures: {LAYOUTS}", *notes]))
    root = _find_root(folder.pictures)
    has_splits = _has_splits([path[len(root) :] for path in folder.pictures])
    # If only the folder of one split is filled, it is a part of the root.
    above = [root[:depth] for depth, name in enumerate(root) if find_suffix(name) is not None]
    for each in [root, *above] if has_splits else above:
        _check_splits(source, each, folder.pictures)
    labelled = None if has_splits else _label_by_file(source, folder, root, notes)
    notes += folder.notes()
    if labelled is not None:
        return labelled
    empty += folder.without_pictures(root, has_splits=has_splits)
    return list((_find_in_splits if has_splits else _find_in_classes)(folder.pictures, len(root), notes))


def list_all(source: Path) -> Folder:
    """Lists a folder and all folders in it: the files of each folder first, then its folders, by their names."""
    folder = Folder()
    _list_into(folder, source, ())
    return folder


def _list_into(folder: Folder, source: Path, path: PicturePath) -> None:
    entries = list_folder(source, *path)
    visible = {name: kind for name, kind in entries.items() if not _is_hidden(name)}
    for name, kind in visible.items():
        if kind == "file":
            (folder.pictures if name.lower().endswith(SUFFIXES) else folder.files).append((*path, name))
        elif kind != "folder":
            folder.links.append(((*path, name), kind))
    for name in (name for name, kind in visible.items() if kind == "folder"):
        if len(path) < MAX_DEPTH:
            folder.folders.append((*path, name))
            _list_into(folder, source, (*path, name))
        else:
            folder.files.append((*path, name))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in LEFT_BY_SYSTEMS


def _find_root(paths: list[PicturePath]) -> PicturePath:
    """Returns the innermost folder that holds all class folders, such as `flowers` if these are `flowers/rose` and
    `flowers/tulip`."""
    folders = [path[:-1] for path in paths]
    # What the first and the last in order share, all between them share too.
    pairs = zip(min(folders), max(folders), strict=False)
    common = tuple(name for name, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    # A folder with pictures right in it is a class itself.
    return () if common in folders else common


def _has_splits(paths: list[PicturePath]) -> bool:
    """Whether there is a training folder of class folders, with another split or alone."""
    with_classes = {path[0] for path in paths if len(path) > 2}
    suffixes = {name: find_suffix(name) for name in {path[0] for path in paths if len(path) > 1}}
    if not any(suffixes[name] == "" for name in with_classes):
        return False
    # `train` may also be a class, beside `bus` and `tram`.
    return None not in suffixes.values() or any(suffix for suffix in suffixes.values())


def _check_splits(source: Path, root: PicturePath, pictures: list[PicturePath]) -> None:
    """Refuses a folder of a split that has no pictures, which else would be cut from the training split."""
    filled = {path[len(root)] for path in pictures}
    for name, kind in list_folder(source, *root).items():
        if kind == "folder" and find_suffix(name) is not None and name not in filled:
            raise UnusableSource(f"the split {name} has no pictures: fill its class folders, or remove it", file=name)


def _find_in_splits(paths: list[PicturePath], depth: int, notes: list[str]) -> Iterator[Picture]:
    unlabelled: list[PicturePath] = []
    beside: list[PicturePath] = []
    for path in paths:
        inner = path[depth:]
        split = find_suffix(inner[0]) if len(inner) > 1 else None
        if split is None:
            beside.append(path)
        elif len(inner) == 2:
            unlabelled.append(path)
        else:
            yield Picture(path, split, inner[1])
    if unlabelled:
        notes.append(
            f"pictures in a split without a class folder have no label and were left out: {len(unlabelled)}, such as "
            f"{show(unlabelled[0])!r}"
        )
    if beside:
        notes.append(
            f"pictures outside the folders of the splits were left out: {len(beside)}, such as {show(beside[0])!r}"
        )
    notes += _note_deep([path for path in paths if len(path) > depth + 3])


def _find_in_classes(paths: list[PicturePath], depth: int, notes: list[str]) -> Iterator[Picture]:
    inner = [path for path in paths if len(path) > depth + 1]
    tops = {path[depth] for path in inner}
    if not inner:
        raise UnusableSource("; ".join([f"its pictures are all in one folder, and so of one class: {LAYOUTS}", *notes]))
    if len({find_suffix(name) for name in tops} - {None}) == len(tops) > 1:
        names = " and ".join(sorted(tops))
        raise UnusableSource("; ".join([f"{names} are splits, but hold no class folders: {LAYOUTS}", *notes]))
    loose = [path for path in paths if len(path) == depth + 1]
    if loose:
        notes.append(f"pictures beside the class folders were left out: {len(loose)}, such as {show(loose[0])!r}")
    notes += _note_deep([path for path in inner if len(path) > depth + 2])
    yield from (Picture(path, "", path[depth]) for path in inner)


def _note_deep(paths: list[PicturePath]) -> Iterator[str]:
    if paths:
        yield (
            "pictures in folders inside a class folder were read as pictures of that class: "
            f"{len(paths)}, such as {show(paths[0])!r}"
        )


def _label_by_file(source: Path, folder: Folder, root: PicturePath, notes: list[str]) -> list[Picture] | None:
    """Labels the pictures by the CSV file at the top; returns None if there is none that does."""
    tables = [
        path for path in folder.files if len(path) <= len(root) + 1 and path[-1].lower().endswith(CSV_SUFFIXES)
    ]  # fmt: skip
    if len(tables) != 1:
        return None
    labels = read_labels(source, tables[0], folder.pictures)
    if isinstance(labels, str):
        notes.append(labels)
        return None
    folder.files.remove(tables[0])
    notes += labels.notes
    known = [path for path in folder.pictures if path in labels.by_path]
    return [Picture(path, labels.splits.get(path, ""), labels.by_path[path]) for path in known]
