"""Says in plain words what a file is that is not what its name promises, or that is damaged."""

from typing import BinaryIO

LOOKED_AT = 512
POINTER = b"version https://git-lfs"
MAGIC = {
    b"PK\x03\x04": "a zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "compressed by gzip",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a rar archive",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"\x89HDF": "an HDF5 file",
    b"SQLite format 3": "an SQLite database",
    b"\x93NUMPY": "a single array of numpy",
    b"\xff\xfe": "text in UTF-16: save it as UTF-8",
    b"\xfe\xff": "text in UTF-16: save it as UTF-8",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    POINTER: "a pointer of Git LFS to a file that was not fetched: run `git lfs pull`",
}
"""How files begin, and what they are."""


def kind_of_content(beginning: bytes) -> str | None:
    """Returns what a file is that begins with these bytes; None if they tell nothing."""
    known = next((kind for magic, kind in MAGIC.items() if beginning.startswith(magic)), None)
    if known is not None:
        return known
    if beginning[257:262] == b"ustar":
        return "a tar archive"
    if not beginning:
        return "empty"
    if is_web_page(beginning):
        return "a web page, such as one that a server sends in place of a file"
    return "text" if not beginning.translate(None, TEXT_BYTES) else None


def is_web_page(beginning: bytes) -> bool:
    """Returns whether the first bytes of a file are those of an HTML page."""
    start = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()[:14].lower()
    return start.startswith((b"<!doctype html", b"<html"))


TEXT_BYTES = bytes({9, 10, 13, *range(32, 127)})


def describe_content(file: BinaryIO, *, right: str) -> str:
    """Returns why a reader of files of the kind `right` cannot read a file: it is of another kind, or damaged."""
    file.seek(0)
    kind = kind_of_content(file.read(LOOKED_AT))
    if kind in (None, right):
        return "it is truncated or damaged: save or upload it again"
    return f"it is {kind}"
