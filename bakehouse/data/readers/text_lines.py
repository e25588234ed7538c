"""Opens text files of unknown encoding, plain or compressed, and reads their lines."""

import codecs
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from charset_normalizer import CharsetMatch, from_bytes

from bakehouse.data.content_kinds import POINTER, describe_content, is_web_page, kind_of_content
from bakehouse.data.errors import UnusableSource
from bakehouse.data.source_files import open_file

BLOCK = 1 << 20
MAX_LINE = 16 << 20
"""Limit on the characters of a line, because a file without line breaks would be read as a whole."""
MAX_RATIO = 100
MIN_SUSPECT = 64 << 20
"""Unpacked size up to which the ratio is not looked at: short tables of zeros are packed well."""
MAX_GUESSED = 64 << 10
"""Bytes of the lines beyond ASCII from which the encoding is guessed."""
WESTERN = ("cp1252", "cp1250", "cp1254", "cp1257")
OTHERS = ("cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp932", "gb18030", "big5", "cp949")
"""The encodings of programs that do not write UTF-8. Those of DOS and of old Macs would be guessed far too often."""
FEW_LETTERS = 4
# The mark of UTF-32 begins like that of UTF-16.
BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}  # fmt: skip
BINARY = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook: save the table as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save the table as CSV",
    b"\x1f\x8b": "compressed by gzip: let its name end in .csv.gz",
    b"BZh": "compressed by bzip2: compress it by gzip, or as a .zip",
    b"\xfd7zXZ": "compressed by xz: compress it by gzip, or as a .zip",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: pack it as a .zip",
    b"PAR1": "a Parquet file: let its name end in .parquet",
    b"%PDF": "a PDF document: save the table as CSV",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89HDF": "an HDF5 file: save the table as CSV",
    b"SQLite format 3": "an SQLite database: save the table as CSV",
}
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".data")


class TextLines:
    """The lines of a text file, which may be read any number of times, one time after the other."""

    def __init__(self, file: BinaryIO) -> None:
        self.encoding = _find_encoding(file)
        # Line breaks are kept, because cells may contain them.
        self._text = io.TextIOWrapper(file, encoding=self.encoding, newline="")

    def __iter__(self) -> Iterator[str]:
        self._text.seek(0)
        for number, line in enumerate(iter(self._read_line, ""), start=1):
            if len(line) == MAX_LINE:
                raise UnusableSource(f"line {number} has more than {MAX_LINE:,} characters", line=number)
            # DOS ends a text with this character.
            yield line.rstrip("\x1a") if line.endswith("\x1a") else line

    def _read_line(self) -> str:
        try:
            return self._text.readline(MAX_LINE)
        except UnicodeDecodeError as error:
            number = self._find_damaged_line()
            raise UnusableSource(
                f"line {number} is damaged: its bytes are no text in {self.encoding}, in which the file seems to be "
                "written; save the file as UTF-8",
                line=number,
            ) from error

    def _find_damaged_line(self) -> int:
        """Returns the number of the first line that cannot be decoded; the error only tells the block."""
        file = self._text.buffer
        file.seek(0)
        decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        number = 1
        for block in iter(lambda: file.read(BLOCK), b""):
            text, damage, _ = decoder.decode(block).partition("\N{REPLACEMENT CHARACTER}")
            number += text.count("\n")
            if damage:
                break
        return number


@contextmanager
def open_lines(source: Path, *names: str) -> Iterator[TextLines]:
    """Opens a text file, or the one at the path `names` in a folder. It may be compressed as `.gz` or be the only table
    in a `.zip`."""
    path = source.joinpath(*names)
    with open_file(source, *names) as file:
        try:
            match path.suffix.lower():
                case ".gz":
                    with gzip.open(file) as unpacked:
                        yield TextLines(_bound(unpacked, file))
                case ".zip":
                    with zipfile.ZipFile(file) as archive, archive.open(_only_table(archive)) as unpacked:
                        yield TextLines(_bound(unpacked, file))
                case _:
                    yield TextLines(file)
        except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError) as error:
            right = "a zip archive" if path.suffix.lower() == ".zip" else "compressed by gzip"
            raise UnusableSource(f"{path.name} cannot be unpacked: {describe_content(file, right=right)}") from error


def _bound(unpacked: io.BufferedIOBase | IO[bytes], packed: BinaryIO) -> BinaryIO:
    size = packed.seek(0, io.SEEK_END)
    packed.seek(0)
    return cast(BinaryIO, io.BufferedReader(_Bounded(cast(BinaryIO, unpacked), size), BLOCK))


class _Bounded(io.RawIOBase):
    """An unpacked file that refuses to be a hundred times as large as its archive."""

    def __init__(self, file: BinaryIO, packed: int) -> None:
        self._inner = file
        self._limit = max(MIN_SUSPECT, MAX_RATIO * packed)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._inner.seek(offset, whence)

    def tell(self) -> int:
        return self._inner.tell()

    def readinto(self, buffer: Any) -> int:
        block = self._inner.read(len(buffer))
        if self._inner.tell() > self._limit:
            raise UnusableSource(f"it unpacks to more than {self._limit:,} bytes, {MAX_RATIO} times its size")
        buffer[: len(block)] = block
        return len(block)


def _only_table(archive: zipfile.ZipFile) -> str:
    """Returns the name of the only table in an archive."""
    names = [entry.filename for entry in archive.infolist() if _is_table(entry)]
    if len(names) != 1:
        found = "none" if not names else f"{len(names)}, such as {names[0]} and {names[1]}"
        raise UnusableSource(f"an archive must have one table ({', '.join(TABLE_SUFFIXES)}); this one has {found}")
    if archive.getinfo(names[0]).flag_bits & 1:
        raise UnusableSource(f"{names[0]} is encrypted: pack it without a password")
    return names[0]


def _is_table(entry: zipfile.ZipInfo) -> bool:
    path = Path(entry.filename)
    # macOS adds such files to its archives.
    hidden = "__MACOSX" in path.parts or path.name.startswith(".")
    return not entry.is_dir() and not hidden and path.suffix.lower() in TABLE_SUFFIXES


def _find_encoding(file: BinaryIO) -> str:
    """Returns the encoding by the byte order mark; else UTF-8 if all bytes are; else a guess."""
    file.seek(0)
    start = file.read(BLOCK)
    for magic, name in BINARY.items():
        if start.startswith(magic):
            raise UnusableSource(f"it is not a text file, but {name}")
    if is_web_page(start) or start.startswith(POINTER):
        raise UnusableSource(f"it is no table, but {kind_of_content(start)}")
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return encoding
    if start[1:200:2].count(0) > 40 or start[:200:2].count(0) > 40:
        # Half the bytes of Latin text in UTF-16 are zero.
        encoding = "utf-16-le" if start[1] == 0 else "utf-16-be"
        if not _is_text(start[:200], encoding):
            raise UnusableSource("it is not a text file: it has bytes that no text has")
        return encoding
    return "utf-8" if _is_utf8(file) else _guess(file)


def _is_text(beginning: bytes, encoding: str) -> bool:
    """Says whether the beginning of a file can be decoded, and has no control characters but those of lines."""
    text = codecs.getincrementaldecoder(encoding)("replace").decode(beginning)
    return not any(letter == "\ufffd" or (letter < " " and letter not in "\t\r\n") for letter in text)


def _is_utf8(file: BinaryIO) -> bool:
    file.seek(0)
    is_utf8 = True
    for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), b""), start=1):
        if b"\0" in line:
            raise UnusableSource(f"line {number} has a zero byte: the file is not text, or it is damaged", line=number)
        is_utf8 = is_utf8 and (line.isascii() or _decodes(line))
    return is_utf8


def _decodes(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _guess(file: BinaryIO) -> str:
    """Guesses an encoding from the lines that are not ASCII."""
    file.seek(0)
    sample = b""
    for line in iter(lambda: file.readline(MAX_LINE), b""):
        if not line.isascii():
            sample += line
        if len(sample) > MAX_GUESSED:
            break
    words = [word for word in re.split(rb"[\s,;\t|\"]+", sample[:MAX_GUESSED]) if not word.isascii()]
    beyond = sum(byte > 127 for word in words for byte in word)
    # Languages with Latin letters write most letters in ASCII.
    is_western = beyond < FEW_LETTERS or 2 * beyond <= sum(map(len, words))
    guesses = from_bytes(b" ".join(words), cp_isolation=list(WESTERN if is_western else OTHERS))
    best = guesses.best()
    # Few letters leave several encodings equally likely; Windows' western one is by far the most common of them.
    if best is None or (is_western and any(_is_no_worse(each, best) for each in guesses)):
        return WESTERN[0]
    return str(best.encoding)


def _is_no_worse(guess: CharsetMatch, best: CharsetMatch) -> bool:
    is_first = WESTERN[0] in guess.could_be_from_charset
    return is_first and (guess.chaos, -guess.coherence) <= (best.chaos, -best.coherence)
