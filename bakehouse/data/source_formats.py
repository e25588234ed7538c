"""Finds the ending of an uploaded file, by which readers know its format, and a name for the data set."""

import re
from pathlib import PurePosixPath

from bakehouse.data.errors import PACKED_ENDINGS

DOUBLE_ENDINGS = (".tar.gz", *PACKED_ENDINGS)
TABLE = ".csv"
NOT_IN_NAMES = re.compile(r"[^a-z0-9_.-]+")
MAX_NAME_CHARACTERS = 64
SPREADSHEET = "a spreadsheet: save the sheet as CSV"
DOCUMENT = "a document: save its table as CSV"
PROGRAM = "a program and has no rows: upload a table as CSV or Parquet"
PICTURE = "a single picture: pack a folder with a folder of pictures for each class as .zip"
ARCHIVE = "an archive of another kind: pack its files as .zip or .tar.gz"
STATISTICS = "a file of another program: save its table as CSV or Parquet"
FOREIGN = {
    **dict.fromkeys((".xls", ".xlsx", ".xlsm", ".xlsb", ".ods", ".numbers"), SPREADSHEET),
    **dict.fromkeys((".doc", ".docx", ".odt", ".rtf", ".pdf", ".ppt", ".pptx", ".htm", ".html", ".xml"), DOCUMENT),
    **dict.fromkeys((".exe", ".dll", ".so", ".msi", ".dmg", ".apk", ".jar", ".bat", ".com"), PROGRAM),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".svg", ".heic"), PICTURE),
    **dict.fromkeys((".rar", ".7z", ".xz", ".bz2", ".zst", ".iso"), ARCHIVE),
    **dict.fromkeys((".sav", ".dta", ".sas7bdat", ".rds", ".rdata", ".mat", ".h5", ".hdf5"), STATISTICS),
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".pth", ".feather", ".orc", ".avro", ".db", ".sqlite"), STATISTICS),
}
"""Endings of files that are never read, and what their files are; a table under any other ending is read as text."""


def ending_of(filename: str, beginning: bytes) -> str:
    """Returns the ending of the name that the client's file has, or one that fits its first bytes."""
    lower = PurePosixPath(filename.replace("\\", "/")).name.lower()
    double = next((ending for ending in DOUBLE_ENDINGS if lower.endswith(ending)), None)
    suffix = PurePosixPath(lower).suffix
    # It becomes a part of a path.
    if double is None and suffix[1:].isalnum() and len(suffix) <= 16 and suffix.isascii():
        return suffix
    return double or ending_of_content(beginning)


def ending_of_content(beginning: bytes) -> str:
    """Returns the ending for a file that begins with these bytes; that of a table if they are of no other format."""
    if beginning.startswith(b"PK\x03\x04"):
        # The name of the first entry follows the 30 bytes of its header.
        length = int.from_bytes(beginning[26:28], "little")
        return ".npz" if beginning[30 : 30 + length].endswith(b".npy") else ".zip"
    if beginning.startswith(b"\x1f\x8b"):
        return ".tar.gz"
    if beginning[257:262] == b"ustar":
        return ".tar"
    if beginning.startswith(b"\x93NUMPY"):
        return ".npy"
    if beginning.lstrip().startswith(b"{"):
        return ".jsonl"
    return ".parquet" if beginning.startswith(b"PAR1") else TABLE


def name_for(filename: str) -> str:
    """Returns a name for a data set whose file or folder has this name."""
    lower = PurePosixPath(filename.replace("\\", "/")).name.lower()
    double = next((ending for ending in DOUBLE_ENDINGS if lower.endswith(ending)), None)
    stem = lower.removesuffix(double) if double else PurePosixPath(lower).stem
    return NOT_IN_NAMES.sub("_", stem)[:MAX_NAME_CHARACTERS].strip("_.-") or "data"
