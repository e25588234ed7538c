"""Makes a zip file while it is sent."""

from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from bakehouse.data.packed_folders import escape_path

BLOCK_BYTES = 1 << 20


class Written:
    """Collects what a zip file writes, to be sent."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Does nothing: all that is written is sent."""

    def close(self) -> None:
        """Does nothing."""

    def take(self) -> bytes:
        """Returns what was written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def zip_folder(folder: Path) -> Iterator[bytes]:
    """Yields the parts of a zip file with the files of a folder, which are not compressed. Equal folders give equal
    files, because no times are in them."""
    written = Written()
    with ZipFile(written, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if not path.is_file():
                continue
            entry = ZipInfo(escape_path(path.relative_to(folder).parts))
            with path.open("rb") as file, archive.open(entry, "w", force_zip64=True) as target:
                while block := file.read(BLOCK_BYTES):
                    target.write(block)
                    yield written.take()
    yield written.take()
