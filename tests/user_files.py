"""Data sets as users have them: tables, arrays and folders of pictures, with a recipe that learns each."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from PIL import Image

from bakehouse.data.readers.idx import FILES
from tests.data.readers.test_cifar import HUNDRED, TEN, make_files, write_archive, write_unpacked
from tests.ragged_sets import write_lines, write_mixed_table

Document = dict[str, Any]
MLP: Document = {"architecture": {"type": "mlp", "hidden": [8]}, "epochs": 2, "batch_size": 32}
CNN: Document = {**MLP, "architecture": {"type": "cnn", "channels": [4], "hidden": []}, "norm": "batch_norm"}
STEP_ROWS = {"target": "label", "sequence": {"id": "patient", "order": "time"}}
RNN: Document = {**MLP, "architecture": {"type": "rnn", "cell": "gru", "hidden_size": 4}, "norm": "batch_norm"}
WORDS = ("ash", "beech", "cedar, red", "10", "9")


@dataclass(frozen=True)
class UserFile:
    """A data set: its file's name in BAKEHOUSE_DATA, what writes it, and a recipe for it."""

    name: str
    write: Callable[[Path], object]
    recipe: Document

    @property
    def document(self) -> Document:
        """The recipe with the data set's id."""
        dataset = {"id": self.name.split(".")[0].lower(), **self.recipe.get("dataset", {})}
        return {**self.recipe, "dataset": dataset}


def draw(*shape: int) -> "np.ndarray[Any, np.dtype[np.float64]]":
    return np.random.default_rng(0).normal(size=shape)


def write_classes(path: Path) -> None:
    """Text classes, one of which is quoted, and a blank line in the middle."""
    rows = [f'{a:.5f},{b:.3e}, "{WORDS[i % 5]}",{i % 3}' for i, (a, b) in enumerate(draw(120, 2))]
    path.write_text("\n".join(["\ufeffwidth,height,species,ring", *rows[:50], "", *rows[50:], ""]), encoding="utf-8")


def write_numbers(path: Path) -> None:
    """A target in milliseconds that needs 64 bits, as does an input; the columns are separated by semicolons."""
    rows = [f"{1.7e12 + 1e3 * a:.1f};{b};{1.7e12 + 2e3 * a + 50 * b:.2f}" for a, b in draw(90, 2)]
    path.write_text("\r\n".join(["start;load;end", *rows]) + "\r\n")


def write_tasks(path: Path) -> None:
    """A whole-number class, and two further targets, with empty cells."""
    rows = [
        f"{a}\t{b}\t{1 + (a > 0)}.0\t{'' if i % 4 == 0 else round(3 * a + b, 2)}\t{'' if i % 5 == 0 else WORDS[i % 3]}"
        for i, (a, b) in enumerate(draw(150, 2))
    ]
    path.write_text("\n".join(["a\tb\tgrade\tgain\ttree", *rows]))


def write_passengers(path: Path) -> None:
    """What people have: numbers of rows, names, classes, empty cells in inputs and target, and a date."""
    rng = np.random.default_rng(0)
    lines = ["id,survived,class,name,sex,age,fare,harbour,born"]
    for index in range(300):
        sex, level = rng.integers(2), rng.integers(1, 4)
        survived = "yes" if rng.normal(2 * sex - 0.4 * level, 0.3) > 0.3 else "no"
        age, fare = rng.uniform(1, 80), rng.exponential(100 / level)
        cells = (
            index + 1,
            "" if index % 50 == 7 else survived,
            ("first", "second", "third")[level - 1],
            f'"{WORDS[index % 5]}, Mr. {"abcdefghij"[index % 10]}{index} of the house by the sea"',
            ("male", "female")[sex],
            "" if rng.random() < 0.2 else f"{age:.1f}",
            f"{fare:.2f}",
            "NA" if rng.random() < 0.05 else f"port {rng.integers(40):02}",
            f"{1912 - int(age)}-{rng.integers(1, 13):02}-{rng.integers(1, 29):02}",
        )
        lines.append(",".join(map(str, cells)))
    path.write_text("\n".join(lines) + "\n")


def write_semicolons(path: Path) -> None:
    """What a program of another country writes: a title, decimal commas, days before months, row numbers without a
    name, marks for missing values, and an encoding of its own."""
    lines = ["Verkäufe", ";Menge;Preis;Tag;Größe;Erlös"]
    for index, (a, b) in enumerate(draw(120, 2)):
        price = f"{1234.5 + 100 * a:,.2f} €".translate(str.maketrans(",.", ".,"))
        amount = "k.A." if index == 9 else f"{10 + b:.3f}".replace(".", ",")
        size = "" if index % 11 == 0 else ("groß", "klein", "mittel")[index % 3]
        day = f"{index % 28 + 1}.{index % 12 + 1}.2021 {index % 24:02}:30"
        lines.append(f"{index};{amount};{price};{day};{size};{f'{50 * a + b:.2f}'.replace('.', ',')}")
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode("cp1252"))


def write_stays(path: Path) -> None:
    """A table with types, as Parquet or JSON: numbers of 32 bits and decimals, truth values, days, times in a zone,
    and nulls."""
    kind = "parquet" if path.suffix == ".parquet" else "json"
    duckdb.sql(f"""COPY (SELECT i::INT AS stay, sin(7 * i)::FLOAT AS width, (i * 7 % 13)::DECIMAL(8, 2) / 4 AS price,
        CASE WHEN i % 9 > 0 THEN i % 4 = 0 END AS sunny, DATE '2024-01-01' + i::INT AS booked,
        TIMESTAMPTZ '2024-01-01 10:00:00+02' + to_hours((i * 11 % 97)::INT) AS "arrived, at last",
        ['ash', 'beech', NULL, 'the old oak'][1 + i % 4] AS wood, (cos(7 * i) > 0)::INT + (i % 5 = 0)::INT AS stars,
        FROM range(150) AS numbers(i)) TO '{path}' (FORMAT {kind})""")  # noqa: S608


def write_arrays(path: Path) -> None:
    """Colour pictures of bytes, with the channels last, text classes and a test split of its own."""
    x = (draw(60, 6, 5, 3) * 40 + 100).clip(0, 255).astype(np.uint8)
    y = np.array([WORDS[i % 5] for i in range(60)])
    np.savez(path, x=x[:45], y=y[:45], x_test=x[45:], y_test=y[45:])


def write_bands(path: Path) -> None:
    """Pictures of six bands under the names that other programs use, the channels last, with one-hot classes."""
    x = (draw(60, 6, 6, 4) * 40 + 100).clip(0, 255).astype(np.uint8)
    x = np.concatenate([x, x[..., :1]], axis=3)
    y = np.eye(3, dtype=np.uint8)[np.arange(60) % 3]
    np.savez(path, train_images=x[:45], train_labels=y[:45], test_images=x[45:], test_labels=y[45:])


def write_regression(path: Path) -> None:
    """Rows with a target that needs 64 bits."""
    x = draw(80, 3).astype(np.float32)
    np.savez(path, x=x, y=1.7e9 + 50 * draw(80))


def write_sequences(path: Path) -> None:
    """Sequences with boolean classes, and a further target with missing labels."""
    y_speed = draw(70)
    y_speed[::7] = np.nan
    np.savez(path, x=draw(70, 4, 3), y=draw(70) > 0, y_speed=y_speed, kind="sequence")


def write_folder(path: Path) -> None:
    """Colour pictures of several sizes and kinds, some of which a camera has turned, and files that are no pictures."""
    rng = np.random.default_rng(0)
    for index in range(60):
        folder = path / WORDS[index % 3]
        folder.mkdir(parents=True, exist_ok=True)
        size = (7, 5) if index % 4 else (9, 12)
        image = Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8))
        exif = Image.Exif()
        exif[0x0112] = 6 if index % 8 == 1 else 1
        kind = ("a.jpg", "B.png", "c.JPEG")[index % 3]
        image.convert("L" if index % 5 == 0 else "RGB").save(folder / f"{index}{kind}", exif=exif)
    (path / "readme.txt").write_text("hello")
    (path / ".hidden").mkdir()


def write_labelled(path: Path) -> None:
    """Pictures of several formats and sizes, some of which are transparent, with a file of labels and splits."""
    rng = np.random.default_rng(0)
    (path / "images").mkdir(parents=True)
    lines = ["image;label;split"]
    for index in range(60):
        pixels = rng.integers(0, 256, (70 + index % 3, 90, 4), dtype=np.uint8)
        pixels[..., 3] = 255 if index % 2 else pixels[..., 3]
        name = f"{index:02}.{('png', 'webp', 'tif')[index % 3]}"
        Image.fromarray(pixels).save(path / "images" / name, lossless=True)
        lines.append(f"{name};{WORDS[index % 3]};{('train', 'train', 'valid', 'test')[index // 3 % 4]}")
    (path / "labels.csv").write_text("\n".join(lines), encoding="utf-8")


def write_grey_splits(path: Path) -> None:
    """Grey pictures of 8 and 16 bits, with folders for train, val and test."""
    rng = np.random.default_rng(0)
    for index in range(60):
        folder = path / ("train", "train", "val", "test")[index % 4] / f"{index % 3 + 9}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (6, 6), dtype=np.uint8)
        deep = pixels.astype(np.uint16) * 257
        Image.fromarray(deep if index % 2 else pixels).save(folder / f"{index:03}.png")


def write_idx(path: Path) -> None:
    """The four files of MNIST, with a few small pictures."""
    path.mkdir()
    for key, name in FILES.items():
        rows = 20 if key.endswith("_test") else 40
        shape = (rows, 5, 6) if key.startswith("x") else (rows,)
        values = np.arange(np.prod(shape)) * 7 % 256 if key.startswith("x") else np.arange(rows) % 10
        header = np.array([0x800 + len(shape), *shape], dtype=">u4").tobytes()
        (path / name).write_bytes(gzip.compress(header + values.astype("u1").tobytes()))


TASKS: Document = {"tasks": ["gain", {"target": "tree", "weight": 0.5}]}
MEASURED: Document = {"evaluation": {"metrics": ["balanced_accuracy", "f1"], "monitor": "validation_auroc"}}
USER_FILES = {
    "csv with text classes": UserFile(
        "Trees.csv", write_classes, {**MLP, **MEASURED, "dataset": {"target": "species"}}
    ),
    "csv with numbers": UserFile("times.csv", write_numbers, {**MLP, "dataset": {"target": "end"}}),
    "csv with tasks": UserFile(
        "tasks.csv", write_tasks, {**MLP, **MEASURED, "dataset": {"target": "grade"}, "objective": TASKS}
    ),
    "csv with two classes": UserFile(
        "two.csv",
        write_tasks,
        {
            **MLP,
            "dataset": {"target": "grade"},
            "objective": {"loss": "binary_cross_entropy", "tasks": ["gain", "tree"]},
        },
    ),
    "csv with columns of all kinds": UserFile(
        "passengers.csv", write_passengers, {**MLP, "dataset": {"target": "survived"}}
    ),
    "csv of another country": UserFile("sales.csv", write_semicolons, {**MLP, "dataset": {"target": "Erlös"}}),
    "parquet": UserFile("stays.parquet", write_stays, {**MLP, **MEASURED, "dataset": {"target": "stars"}}),
    "json": UserFile(
        "nights.jsonl",
        write_stays,
        {**MLP, "dataset": {"target": "price", "columns": {"kinds": {"stars": "category"}}}},
    ),
    "npz of images": UserFile("images.npz", write_arrays, CNN),
    "npz of bands": UserFile("bands.npz", write_bands, CNN),
    "npz of rows": UserFile("rows.npz", write_regression, MLP),
    "npz of sequences": UserFile(
        "steps.npz",
        write_sequences,
        {**MLP, "architecture": {"type": "rnn", "hidden_size": 4}, "objective": {"tasks": ["speed"]}},
    ),
    "json lines of ragged sequences": UserFile("walks.jsonl", write_lines, RNN),
    "long table of ragged sequences": UserFile(
        "visits.csv",
        write_mixed_table,
        {**RNN, "dataset": STEP_ROWS},
    ),
    "pictures": UserFile("pets", write_folder, CNN),
    "pictures with splits": UserFile("scans", write_grey_splits, CNN),
    "pictures with labels": UserFile("birds", write_labelled, CNN),
    "idx": UserFile("fashion_mnist", write_idx, CNN),
    "cifar10": UserFile("cifar10", lambda path: write_unpacked(path, TEN), CNN),
    "cifar100": UserFile("hundred", lambda path: write_archive(path, HUNDRED, make_files(HUNDRED)), CNN),
}
"""Every format that Bakehouse reads, and every kind of target."""
