"""Reading folders of pictures."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakehouse.data.errors import UnusableSource
from bakehouse.data.readers.pictures import EXIF_ORIENTATION, read_pictures

SavePicture = Callable[..., None]


@pytest.fixture
def folder(tmp_path: Path, save_picture: SavePicture) -> Path:
    """Twelve grey pictures, 6 wide and 4 high, of two classes."""
    for i in range(12):
        save_picture(tmp_path / "set" / ("dog" if i % 2 else "cat") / f"{i:02}.png", 10 * i)
    return tmp_path / "set"


def test_class_folders_are_classes_and_grey_stays_grey(folder: Path) -> None:
    samples = read_pictures(folder)
    assert samples.classes == ("cat", "dog")
    assert samples.arrays["x"].shape == (12, 1, 4, 6)
    assert samples.arrays["x"][:, 0, 0, 0].tolist() == [0, 20, 40, 60, 80, 100, 10, 30, 50, 70, 90, 110]
    assert samples.arrays["y"].tolist() == [0] * 6 + [1] * 6
    assert samples.notes == []


def test_one_coloured_picture_makes_all_three_channels(folder: Path, save_picture: SavePicture) -> None:
    save_picture(folder / "cat" / "colour.jpg", 7, mode="RGB")
    assert read_pictures(folder).arrays["x"].shape == (13, 3, 4, 6)


def test_other_sizes_and_other_files_are_noted(folder: Path, save_picture: SavePicture) -> None:
    save_picture(folder / "dog" / "large.png", 200, size=(60, 40))
    (folder / "dog" / "list.txt").write_text("")
    (folder / "dog" / ".hidden").write_text("")
    samples = read_pictures(folder)
    assert samples.arrays["x"][-1].tolist() == [[[200] * 6] * 4]
    assert samples.notes == [
        "files that are not PNG or JPEG were ignored: 1, such as 'dog/list.txt'",
        "1 of 13 pictures were resized to 6 x 4 pixels",
    ]


def test_links_are_not_followed(folder: Path, tmp_path: Path, save_picture: SavePicture) -> None:
    save_picture(tmp_path / "secret" / "a.png", 1)
    (folder / "dog" / "link.png").symlink_to(tmp_path / "secret" / "a.png")
    (folder / "linked").symlink_to(tmp_path / "secret")
    samples = read_pictures(folder)
    assert len(samples.arrays["x"]) == 12
    assert samples.classes == ("cat", "dog")


def test_train_validation_and_test_folders_are_splits(tmp_path: Path, save_picture: SavePicture) -> None:
    for split, rows in (("train", 10), ("validation", 3), ("test", 2)):
        for i in range(rows):
            save_picture(tmp_path / "set" / split / str(9 + i % 2) / f"{i}.png", i)
    arrays = read_pictures(tmp_path / "set").arrays
    assert [len(arrays[name]) for name in ("x", "x_validation", "x_test")] == [10, 3, 2]
    assert read_pictures(tmp_path / "set").classes == ("9", "10")


def test_photos_are_turned_upright(folder: Path) -> None:
    wide = np.zeros((4, 6), np.uint8)
    wide[:, :3] = 255
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    for i in range(20):
        Image.fromarray(wide).save(folder / "cat" / f"photo{i}.jpg", exif=exif, quality=100)
    x = read_pictures(folder).arrays["x"]
    assert x.shape == (32, 1, 6, 4)
    assert (x[-7, 0, 0] > 200).all()
    assert (x[-7, 0, -1] < 50).all()


def test_sixteen_bits_are_scaled_not_clipped(folder: Path) -> None:
    Image.fromarray(np.full((4, 6), 128 << 8, np.uint16)).save(folder / "dog" / "zdeep.png")
    assert read_pictures(folder).arrays["x"][-1].tolist() == [[[128] * 6] * 4]


def make_chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def make_png(width: int, height: int, data: bytes) -> bytes:
    """A black and white PNG of claimed size, whose inflated data may be anything."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + make_chunk(b"IHDR", header)
        + make_chunk(b"IDAT", zlib.compress(data))
        + make_chunk(b"IEND", b"")
    )


BOMB = make_png(12_000, 12_000, bytes(1501 * 12_000))


def test_the_bomb_is_small() -> None:
    assert len(BOMB) < 20_000


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("bomb.png", BOMB, "dog/bomb.png has 12000 x 12000 pixels; at most 50,000,000 pixels are allowed"),
        ("cut.png", make_png(6, 4, bytes(3)), "dog/cut.png cannot be read: "),
        ("text.jpg", b"hello", "dog/text.jpg cannot be read: it is not a PNG or JPEG picture"),
        ("picture.png", b"GIF89a" + bytes(100), "dog/picture.png cannot be read: it is not a PNG or JPEG picture"),
        ("empty.jpeg", b"", "dog/empty.jpeg cannot be read"),
    ],
)
def test_bad_pictures_are_named(folder: Path, name: str, content: bytes, problem: str) -> None:
    (folder / "dog" / name).write_bytes(content)
    with pytest.raises(UnusableSource) as caught:
        read_pictures(folder)
    assert problem in str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_truncated_picture_is_named(folder: Path, suffix: str) -> None:
    path = folder / "dog" / f"cut.{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(UnusableSource, match=rf"dog/cut\.{suffix} cannot be read"):
        read_pictures(folder)


def test_folders_without_pictures_are_refused(tmp_path: Path, save_picture: SavePicture) -> None:
    with pytest.raises(UnusableSource, match="it needs a folder of PNG or JPEG pictures for each class"):
        read_pictures(tmp_path)
    for i in range(12):
        save_picture(tmp_path / "only" / f"{i}.png", i)
    with pytest.raises(UnusableSource, match="at least two classes"):
        read_pictures(tmp_path)


def test_a_class_whose_files_were_all_ignored_is_explained(tmp_path: Path, save_picture: SavePicture) -> None:
    for i in range(12):
        save_picture(tmp_path / "day" / f"{i}.png", i)
    (tmp_path / "night").mkdir()
    (tmp_path / "night" / "1.webp").write_text("")
    with pytest.raises(UnusableSource, match=r"all training rows have the class day; .* such as 'night/1.webp'"):
        read_pictures(tmp_path)


def test_pictures_too_deep_or_of_another_kind_are_counted(tmp_path: Path, save_picture: SavePicture) -> None:
    save_picture(tmp_path / "set" / "a" / "b" / "1.png", 1)
    (tmp_path / "set" / "a" / "2.gif").write_text("")
    with pytest.raises(
        UnusableSource, match=r"no PNG or JPEG files; .* up.*: 1, .* 'a/b'; .* ignored: 1, .* 'a/2.gif'"
    ):
        read_pictures(tmp_path / "set")
