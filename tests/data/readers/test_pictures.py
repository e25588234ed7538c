"""Reading folders of pictures."""

import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakehouse.data.errors import UnusableSource
from bakehouse.data.readers.pictures import EXIF_ORIENTATION, choose_size, read_pictures

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
        "files that are not PNG, JPEG, WebP, BMP, GIF or TIFF pictures were passed over: 1, such as 'dog/list.txt'",
        "1 of 13 pictures (60 x 40 pixels) were made 6 x 4: scaled until they cover it, and cut to the centre",
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
    (tmp_path / "set" / "dev" / "9").mkdir(parents=True)
    with pytest.raises(UnusableSource, match="the split dev has no pictures"):
        read_pictures(tmp_path / "set")


@pytest.mark.parametrize(
    ("suffix", "form", "is_exact"),
    [
        ("jpg", "JPEG", False),
        ("JPG", "MPO", False),
        ("png", "PNG", True),
        ("webp", "WEBP", True),
        ("tif", "TIFF", True),
    ],
)
def test_photos_are_turned_upright(tmp_path: Path, suffix: str, form: str, is_exact: bool) -> None:
    wide = np.zeros((4, 6), np.uint8)
    wide[:, :3] = 255
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    for i in range(12):
        path = tmp_path / "set" / "ab"[i % 2] / f"{i}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(wide).save(path, form, exif=exif, quality=100, lossless=True)
    x = read_pictures(tmp_path / "set").arrays["x"]
    assert x.shape[2:] == (6, 4)
    upper, lower = x[:, :, 0].astype(int), x[:, :, -1].astype(int)
    assert upper.min() >= (255 if is_exact else 200)
    assert lower.max() <= (0 if is_exact else 50)


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
        ("cut.png", make_png(6, 4, bytes(3)), "dog/cut.png cannot be read: "),
        ("text.jpg", b"hello", "dog/text.jpg cannot be read: it is not a PNG, JPEG, WebP"),
        ("picture.png", b"GIF87z" + bytes(100), "dog/picture.png cannot be read: it is not a PNG, JPEG, WebP"),
        ("empty.jpeg", b"", "dog/empty.jpeg cannot be read"),
    ],
)
def test_bad_pictures_are_named(folder: Path, name: str, content: bytes, problem: str) -> None:
    (folder / "dog" / name).write_bytes(content)
    samples = read_pictures(folder)
    assert len(samples.arrays["x"]) == 12
    assert samples.unreadable is not None
    assert (samples.unreadable.count, samples.unreadable.of) == (1, 13)
    assert problem in samples.unreadable.problems[0]


def test_a_picture_with_too_many_pixels_is_refused(folder: Path) -> None:
    (folder / "dog" / "bomb.png").write_bytes(BOMB)
    with pytest.raises(UnusableSource) as caught:
        read_pictures(folder)
    assert caught.value.file == "dog/bomb.png"
    assert "dog/bomb.png has 12000 x 12000 pixels; at most 80,000,000 pixels are allowed" in str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_truncated_picture_is_named(folder: Path, suffix: str) -> None:
    path = folder / "dog" / f"cut.{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:1500])
    assert rf"dog/cut.{suffix} cannot be read" in str(read_pictures(folder).unreadable)


def test_folders_without_pictures_are_refused(tmp_path: Path, save_picture: SavePicture) -> None:
    with pytest.raises(
        UnusableSource, match="it needs a folder of PNG, JPEG, WebP, BMP, GIF or TIFF pictures for each"
    ):
        read_pictures(tmp_path)
    for i in range(12):
        save_picture(tmp_path / "only" / f"{i}.png", i)
    with pytest.raises(UnusableSource, match="at least two classes"):
        read_pictures(tmp_path)


def test_a_class_whose_files_were_all_ignored_is_explained(tmp_path: Path, save_picture: SavePicture) -> None:
    for i in range(12):
        save_picture(tmp_path / "day" / f"{i}.png", i)
    (tmp_path / "night").mkdir()
    (tmp_path / "night" / "1.heic").write_text("")
    with pytest.raises(UnusableSource, match=r"all training rows have the class day; .* such as 'night/1.heic'"):
        read_pictures(tmp_path)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8)


def save_classes(folder: Path, image: Image.Image, suffix: str, count: int = 12, **options: object) -> Path:
    """Writes the same picture into two class folders."""
    for number in range(count):
        path = folder / "ab"[number % 2] / f"{number:04}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, **options)  # type: ignore[arg-type]
    return folder


@pytest.mark.parametrize("suffix", ["bmp", "png", "tif", "webp", "jfif", "gif", "TIFF", "JPG"])
def test_each_format_gives_the_pixels_of_pillow(tmp_path: Path, noise: np.ndarray, suffix: str) -> None:
    folder = save_classes(tmp_path, Image.fromarray(noise), suffix)
    x = read_pictures(folder).arrays["x"]
    assert x.shape == (12, 3, 24, 24)
    with Image.open(folder / "a" / f"0000.{suffix}") as image:
        np.testing.assert_array_equal(x[0], np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def test_the_first_frame_of_a_gif_is_read(tmp_path: Path) -> None:
    frames = [Image.new("L", (8, 8), level) for level in (10, 200)]
    folder = save_classes(tmp_path, frames[0], "gif", save_all=True, append_images=frames[1:])
    assert np.unique(read_pictures(folder).arrays["x"]).tolist() == [10]


@pytest.mark.parametrize(
    ("mode", "suffix", "channels", "level"),
    [
        ("CMYK", "tif", 3, 200),
        ("CMYK", "jpg", 3, 200),
        ("YCbCr", "tif", 3, 200),
        ("P", "png", 3, 204),
        ("RGBA", "webp", 3, 200),
        ("RGBX", "tif", 3, 200),
        ("LA", "png", 1, 130),
        ("L", "bmp", 1, 130),
        ("1", "png", 1, 255),
    ],
)
def test_pixels_of_each_mode_become_grey_or_colour(
    tmp_path: Path, mode: str, suffix: str, channels: int, level: int
) -> None:
    image = Image.new("RGB", (8, 8), (200, 100, 100)).convert(mode)
    x = read_pictures(save_classes(tmp_path, image, suffix)).arrays["x"]
    assert x.shape == (12, channels, 8, 8)
    assert abs(int(x[0, 0, 0, 0]) - level) <= 2


@pytest.mark.parametrize("pixels", [np.full((8, 8), 70_000, np.int32), np.full((8, 8), 0.5, np.float32)])
def test_pixels_that_are_not_bytes_are_refused(tmp_path: Path, pixels: np.ndarray) -> None:
    folder = save_classes(tmp_path, Image.fromarray(pixels), "tif")
    with pytest.raises(UnusableSource, match=r"its pixels are neither 8 nor 16 bits: save it with 8 bits a channel"):
        read_pictures(folder)


def test_a_drawing_on_a_transparent_ground_is_not_lost(tmp_path: Path) -> None:
    pixels = np.full((8, 8, 4), 255, np.uint8)
    pixels[:4, :, 3] = 0
    samples = read_pictures(save_classes(tmp_path, Image.fromarray(pixels), "png"))
    assert np.unique(samples.arrays["x"][:, :, :4]).tolist() == [128]
    assert np.unique(samples.arrays["x"][:, :, 4:]).tolist() == [255]
    assert samples.notes == ["12 pictures have transparent pixels, which were filled with grey"]


@pytest.mark.parametrize(
    ("sizes", "size"),
    [
        ([(28, 28)], (28, 28)),
        ([(64, 40)], (64, 40)),
        ([(28, 28)] * 9 + [(30, 40)], (28, 28)),
        ([(28, 28)] * 8 + [(30, 40)] * 2, (32, 32)),
        ([(32, 24), (24, 32)], (24, 24)),
        ([(96, 96)], (64, 64)),
        ([(300, 41), (41, 500), (90, 42)], (40, 40)),
        ([(3, 3), (4, 2), (2, 9)], (8, 8)),
    ],
)
def test_the_size_is_that_of_all_or_the_median_of_the_shorter_sides(
    sizes: list[tuple[int, int]], size: tuple[int, int]
) -> None:
    assert choose_size(sizes, channels=3) == size


def test_very_many_pictures_get_a_size_that_fits_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakehouse.data.readers.pictures.MAX_BYTES", 2 << 20)
    assert choose_size([(4000, 3000)] * 400, channels=3) == (40, 40)


def test_the_shorter_side_is_scaled_and_the_centre_cut_out(tmp_path: Path) -> None:
    stripes = np.zeros((100, 300, 3), np.uint8)
    stripes[:, 100:200] = 255
    samples = read_pictures(save_classes(tmp_path, Image.fromarray(stripes), "png"))
    assert samples.arrays["x"].shape == (12, 3, 64, 64)
    assert samples.arrays["x"].min() > 200
    assert samples.notes == [
        "12 of 12 pictures (300 x 100 pixels) were made 64 x 64: scaled until they cover it, and cut to the centre"
    ]


def test_large_photographs_are_packed_in_little_memory(tmp_path: Path) -> None:
    """120 of 12 megapixels, which would be 4 GB at their own size."""
    save_classes(tmp_path / "set", Image.new("RGB", (4000, 3000), (90, 60, 30)), "jpg", count=2)
    for number in range(2, 120):
        shutil.copy(tmp_path / "set" / "a" / "0000.jpg", tmp_path / "set" / "ab"[number % 2] / f"{number:04}.jpg")
    # The peak of `getrusage` would be at least that of the process that runs the tests.
    program = (
        "import sys; from pathlib import Path; from bakehouse.data.readers.pictures import read_pictures\n"
        "print(read_pictures(Path(sys.argv[1])).arrays['x'].shape)\n"
        "[peak] = [line for line in open('/proc/self/status') if line.startswith('VmHWM')]\n"
        "print(peak.split()[1])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "set")]
    shape, kilobytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert shape == "(120, 3, 64, 64)"
    assert int(kilobytes) < 250_000


def test_bad_pictures_are_passed_over_counted_and_the_first_listed(tmp_path: Path) -> None:
    folder = save_classes(tmp_path, Image.new("L", (8, 8), 9), "png", count=200)
    (folder / "a" / "0100.png").write_bytes((folder / "a" / "0100.png").read_bytes()[:40])
    (folder / "b" / "0001.png").write_text("hello")
    samples = read_pictures(folder)
    assert samples.arrays["x"].shape == (198, 1, 8, 8)
    assert np.bincount(samples.arrays["y"]).tolist() == [99, 99]
    assert "a/0100.png" not in samples.paths[""]
    [note] = samples.notes
    assert note.startswith("2 of 200 pictures were passed over: ")
    assert "b/0001.png cannot be read: it is not a PNG" in note
    assert "a/0100.png cannot be read: " in note
    for path in sorted((folder / "b").iterdir())[:90]:
        path.write_text("")
    samples = read_pictures(folder)
    assert samples.unreadable is not None
    assert (samples.unreadable.count, samples.unreadable.of, len(samples.unreadable.problems)) == (91, 200, 3)
    assert str(samples.unreadable).endswith("; and 88 more")
    for path in sorted((folder / "a").iterdir()):
        path.write_text("")
    with pytest.raises(UnusableSource, match=r"190 of 200 pictures were passed over: a/0000\.png cannot be read"):
        read_pictures(folder)


def test_labels_with_decimals_are_numbers(tmp_path: Path) -> None:
    for number in range(12):
        Image.new("L", (8, 8), number).save(tmp_path / f"{number}.png")
    (tmp_path / "ages.csv").write_text("\n".join(["file,label", *(f"{n}.png,{n}.5" for n in range(12))]))
    samples = read_pictures(tmp_path)
    assert samples.classes is None
    assert sorted(samples.arrays["y"].tolist()) == [n + 0.5 for n in range(12)]
