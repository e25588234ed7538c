"""Archives that are sound, and archives that would harm the machine that unpacks them."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bakehouse.data.archives import ArchiveLimits, find_contents, unpack
from bakehouse.data.errors import UnusableSource

LIMITS = ArchiveLimits(entries=20, total_bytes=30 << 20, entry_bytes=20 << 20)
NOISE = bytes(range(256)) * 16
Write = Callable[[zipfile.ZipFile], object]


def zipped(write: Write, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        write(archive)
    return buffer.getvalue()


def zipped_files(**files: bytes) -> bytes:
    def write(archive: zipfile.ZipFile) -> None:
        for name, data in files.items():
            archive.writestr(name, data)

    return zipped(write)


def zipped_special(mode: int) -> bytes:
    info = zipfile.ZipInfo("special")
    info.external_attr = mode << 16
    return zipped(lambda archive: archive.writestr(info, "/etc/passwd"))


def tarred(*members: tarfile.TarInfo, mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for member in members:
            archive.addfile(member, io.BytesIO(b"a" * member.size))
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, *, size: int = 0, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = size
    info.linkname = target
    return info


def with_lying_size(data: bytes) -> bytes:
    """The archive with a smaller size of its entry in both headers."""
    return data.replace((1 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little"))


def encrypted(data: bytes) -> bytes:
    """The archive with the flag of encryption in its central directory."""
    at = data.index(b"PK\x01\x02") + 8
    return data[:at] + b"\x01" + data[at + 1 :]


def overlapping(count: int) -> bytes:
    """An archive whose entries are all the same bytes, like a bomb without nesting."""
    one = zipped(lambda archive: archive.writestr("a", b"\0" * 900_000))
    start = one.index(b"PK\x01\x02")
    end = one.index(b"PK\x05\x06")
    entry = one[start:end]
    entries = b"".join(entry.replace(b"a", bytes([97 + number])) for number in range(count))
    numbers = count.to_bytes(2, "little")
    tail = one[end : end + 8] + numbers + numbers + len(entries).to_bytes(4, "little") + one[end + 16 :]
    return one[:start] + entries + tail


EVIL: dict[str, tuple[str, bytes, str]] = {
    "a path out of the archive": ("a.zip", zipped_files(**{"a/../../evil.csv": b"1"}), "'..'"),
    "a path out of it for Windows": ("a.zip", zipped_files(**{"..\\..\\evil.csv": b"1"}), "'..'"),
    "an absolute path": ("a.zip", zipped_files(**{"/etc/evil.csv": b"1"}), "absolute"),
    "a drive": ("a.zip", zipped_files(**{"C:\\evil.csv": b"1"}), "absolute"),
    "a symbolic link": ("a.zip", zipped_special(stat.S_IFLNK | 0o777), "symbolic link"),
    "a device": ("a.zip", zipped_special(stat.S_IFCHR | 0o666), "device"),
    "a pipe": ("a.zip", zipped_special(stat.S_IFIFO | 0o666), "is a"),
    "an archive in it": ("a.zip", zipped_files(**{"inner.zip": zipped_files(a=b"1")}), "archive in an archive"),
    "an archive of another name": ("a.zip", zipped_files(**{"inner.csv": zipped_files(a=b"1")}), "a zip archive"),
    "a tar of another name": ("a.zip", zipped_files(**{"inner.csv": tarred(member("a", size=9))}), "a tar archive"),
    "the ratio": ("a.zip", zipped_files(**{"zeros.csv": b"\0" * (15 << 20)}), "100 times"),
    "the ratio of a tar": ("a.tar.gz", tarred(member("a", size=15 << 20), mode="w:gz"), "100 times"),
    "entries that overlap": ("a.zip", overlapping(9), "truncated or damaged"),
    "the size of an entry": (
        "a.zip", zipped(lambda archive: archive.writestr("a", b"\0" * (21 << 20)), zipfile.ZIP_STORED), "20,971,520"),
    "the size of all": (
        "a.tar", tarred(member("a", size=16 << 20), member("b", size=16 << 20)), "31,457,280"),
    "the number of entries": ("a.zip", zipped_files(**{str(number): b"1" for number in range(21)}), "20 entries"),
    "a size that lies": (
        "a.zip", with_lying_size(zipped(lambda archive: archive.writestr("a", NOISE * 256))), "truncated or damaged"),
    "a password": ("a.zip", encrypted(zipped_files(a=b"1")), "encrypted"),
    "a truncated zip": ("a.zip", zipped_files(a=NOISE)[:-30], "truncated or damaged"),
    "a zip without its middle": (
        "a.zip", zipped_files(a=NOISE * 256, b=b"b")[1_000:], "truncated or damaged"),
    "a truncated tar": ("a.tar", tarred(member("a", size=1 << 16))[:20_000], "truncated or damaged"),
    "a truncated gzip": ("a.tar.gz", tarred(member("a", size=1 << 16), mode="w:gz")[:60], "truncated or damaged"),
    "no zip at all": ("a.zip", b"a,b\n1,2\n", "a.zip is not a zip archive: it is text"),
    "no tar at all": ("a.tar.gz", b"a,b\n1,2\n", "a.tar.gz is not a tar archive: it is text"),
    "a page of a server": ("a.zip", b"<!DOCTYPE html>\n<html>", "it is a web page"),
    "a tar called zip": ("a.zip", tarred(member("a", size=9)), "a.zip is not a zip archive: it is a tar archive"),
    "a name that is there twice": ("a.tar", tarred(member("a", size=1), member("./a", size=1)), "twice"),
    "a file and a folder of one name": ("a.tar", tarred(member("a", size=1), member("a/b", size=1)), "twice"),
    "a tar path out of it": ("a.tar", tarred(member("../evil", size=1)), "'..'"),
    "a symbolic link in a tar": ("a.tar", tarred(member("a", tarfile.SYMTYPE, target="/etc/passwd")), "symbolic link"),
    "a hard link in a tar": ("a.tar", tarred(member("a", tarfile.LNKTYPE, target="/etc/passwd")), "hard link"),
    "a device in a tar": ("a.tar", tarred(member("a", tarfile.CHRTYPE)), "device"),
    "a pipe in a tar": ("a.tar", tarred(member("a", tarfile.FIFOTYPE)), "named pipe"),
    "a name that is too long": ("a.tar", tarred(member("a" * 300, size=1)), "255 bytes"),
    "too many folders": ("a.tar", tarred(member("a/" * 40 + "b", size=1)), "32 folders"),
    "more folders than entries are allowed": (
        "a.tar", tarred(*(member(f"{number}/" * 9 + "b", size=1) for number in range(3))), "20 folders"),
    "a path that is too long": ("a.tar", tarred(member("/".join(["a" * 200] * 20), size=1)), "2,000 bytes"),
    "a compression without a limit": (
        "a.zip", zipped(lambda archive: archive.writestr("a", b"1", zipfile.ZIP_BZIP2)), "deflate"),
    "no file": ("a.zip", zipped_files(**{"__MACOSX/a": b"1", ".DS_Store": b"1"}), "no files"),
}  # fmt: skip


@pytest.mark.parametrize("kind", EVIL)
def test_an_archive_that_would_do_harm_is_refused(kind: str, tmp_path: Path) -> None:
    name, data, said = EVIL[kind]
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / name).write_bytes(data)
    with pytest.raises(UnusableSource, match=said.replace(".", r"\.")) as refused:
        unpack(folder / name, folder / "out", LIMITS, lambda done: None)
    if kind != "no file":
        assert refused.value.member
    # Nothing lies outside the folder.
    assert list(tmp_path.iterdir()) == [folder]
    assert sorted(path.name for path in folder.iterdir()) in ([name, "out"], [name])
    assert not any(path.is_symlink() for path in folder.rglob("*"))


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz", ".tgz"])
def test_a_sound_archive_is_unpacked_without_what_systems_add(ending: str, tmp_path: Path) -> None:
    archive = tmp_path / f"a{ending}"
    if ending == ".zip":
        archive.write_bytes(zipped_files(**{"pets/cat/1.png": b"a", "pets/dog/2.PNG": b"a", "__MACOSX/._1": b"x"}))
    else:
        members = [member("pets", tarfile.DIRTYPE), member("pets/cat/1.png", size=1), member("pets/dog/2.PNG", size=1)]
        archive.write_bytes(
            tarred(*members, member("pets/.DS_Store", size=4), mode="w" if ending == ".tar" else "w:gz")
        )
    unpack(archive, tmp_path / "out", LIMITS, lambda done: None)
    contents = find_contents(tmp_path / "out")
    assert contents.name == "pets"
    found = sorted(str(path.relative_to(contents)) for path in contents.rglob("*") if path.is_file())
    assert found == ["cat/1.png", "dog/2.PNG"]


def test_a_file_alone_in_an_archive_is_the_data_set(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped_files(**{"deep/down/houses.csv": b"a"}))
    unpack(tmp_path / "a.zip", tmp_path / "out", LIMITS, lambda done: None)
    assert find_contents(tmp_path / "out").name == "houses.csv"
