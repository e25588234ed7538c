"""Files as users have them, for tests of what models predict: a table, pictures of two classes, and sequences."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

Row = dict[str, str]
CITIES = ("Bern", "Köln", "New York, NY", "Oslo")


def write_people(folder: Path, *, rows: int = 160) -> list[Row]:
    """Writes people.csv with numbers, empty cells, categories, truth values and dates; returns its rows as texts."""
    random = np.random.default_rng(1)
    table = []
    for number in range(rows):
        city = CITIES[random.integers(len(CITIES))]
        age = random.integers(18, 80)
        member = bool(random.integers(2))
        score = age / 40 + CITIES.index(city) + member + random.normal() / 4
        table.append(
            {
                "name": f"person {number:04}",
                "age": "" if number % 9 == 0 else f"{age}",
                "city": "" if number % 13 == 5 else city,
                "member": "yes" if member else "no",
                "joined": "?" if number % 17 == 3 else f"{1 + number % 28:02}.{1 + number % 12:02}.20{10 + number % 9}",
                "income": f"{1000 + 37.5 * number % 900:.2f}",
                "plan": ("basic", "plus", "pro")[min(2, int(score / 2))],
                "spent": f"{score * 100:.2f}",
            }
        )
    with (folder / "people.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    return table


def write_pictures(folder: Path, *, each: int = 30) -> Path:
    """Writes shapes/CLASS/*.png and *.jpg of several sizes, in colour; returns the folder."""
    random = np.random.default_rng(2)
    for label, color in (("blue", (40, 60, 200)), ("red", (200, 60, 40))):
        (folder / "shapes" / label).mkdir(parents=True)
        for number in range(each):
            height, width = random.integers(9, 40, 2)
            noise = random.integers(-40, 40, (height, width, 3))
            pixels = np.clip(np.array(color) + noise, 0, 255).astype(np.uint8)
            ending = "jpg" if number % 3 == 0 else "png"
            Image.fromarray(pixels).save(folder / "shapes" / label / f"{number:03}.{ending}")
    return folder / "shapes"


def write_walks(folder: Path, *, sequences: int = 60) -> list[Row]:
    """Writes walks.csv, a long table with a row for each step of ragged sequences; returns its rows as texts."""
    random = np.random.default_rng(3)
    table = []
    for number in range(sequences):
        rises = number % 2 == 1
        for step in range(int(random.integers(3, 9))):
            value = step * (0.5 if rises else -0.5) + random.normal() / 2
            mood = ("calm", "wild")[int(random.integers(2))]
            row = {"walk": f"w{number:02}", "at": f"{step}", "height": f"{value:.3f}", "mood": mood}
            table.append({**row, "way": "up" if rises else "down"})
    # The steps of a sequence need not be in order.
    mixed = [table[place] for place in random.permutation(len(table))]
    with (folder / "walks.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(mixed[0]))
        writer.writeheader()
        writer.writerows(mixed)
    return mixed
