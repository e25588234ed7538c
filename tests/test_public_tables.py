"""Tables in the shapes of those that come with Python packages train as they are; `bench.tables` trains those."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.tables import train

ROWS = 60


def rows(cells: Callable[[int], tuple[object, ...]], separator: str = ",") -> str:
    """Makes a line of each row's cells."""
    return "".join(separator.join(map(str, cells(i))) + "\n" for i in range(ROWS))


def wave(i: int, by: int = 1) -> float:
    return round(10 + 5 * math.sin(i * by), 3)


def gap(i: int, cell: object, mark: str = "NA") -> object:
    return mark if i % 11 == 4 else cell


SPECIES = ("Adelie", "Chinstrap", "Gentoo")
TABLES = {
    "R with row numbers": '"","Sepal.Length","Sepal.Width","Species"\n'
    + rows(lambda i: (f'"{i + 1}"', wave(i), wave(i, 3), f'"{SPECIES[i % 3]}"')),
    "R with names of rows": '"","mpg","cyl","am"\n' + rows(lambda i: (f'"car {i}"', wave(i), 4 + i % 3 * 2, i % 2)),
    "R with NA": '"","Ozone","Wind","Month"\n' + rows(lambda i: (f'"{i + 1}"', gap(i, i), wave(i), 5 + i % 5)),
    "R with two categories": '"","len","supp","dose"\n'
    + rows(lambda i: (f'"{i}"', wave(i), ('"VC"', '"OJ"')[i % 2], (0.5, 1, 2)[i % 3])),
    "pandas index": ",total,tip,sex,smoker\n"
    + rows(lambda i: (i, wave(i), wave(i, 2), "MF"[i % 2], ("No", "Yes")[i // 2 % 2])),
    "penguins": "species,island,bill_length_mm,sex,year\n"
    + rows(
        lambda i: (
            SPECIES[i % 3],
            ("Biscoe", "Dream")[i % 2],
            gap(i, wave(i)),
            gap(i, ("male", "female")[i % 2]),
            2007 + i % 3,
        )
    ),
    "Titanic": "PassengerId,Survived,Name,Age,Cabin,Embarked\n"
    + rows(
        lambda i: (
            i + 1,
            i % 2,
            f'"Doe, Mr. {chr(65 + i % 26)}{i}"',
            gap(i, 20 + i % 40, ""),
            f"C{i}" if i % 5 == 0 else "",
            "SCQ"[i % 3],
        )
    ),
    "UCI without a header": rows(lambda i: (wave(i), gap(i, i % 7, "?"), ("b", "a")[i % 2], "+-"[i // 2 % 2])),
    "wine": "fixed acidity;pH;quality\n" + rows(lambda i: (wave(i), wave(i, 2), 3 + i % 6), ";"),
    "European": "Datum;Umsatz;Land\n"
    + rows(lambda i: (f"{i % 28 + 1:02}.03.2024", f"{1000 + i:,}".replace(",", ".") + ",50", ("DE", "AT")[i % 2]), ";"),
    "daily prices": "Date,Open,Close,Volume\n"
    + rows(lambda i: (f"2024-{i // 28 + 1:02}-{i % 28 + 1:02}", wave(i), wave(i + 1), f'"{1000 * i + 5000:,}"')),
    "quarters": "quarter,gdp,cpi\n" + rows(lambda i: (f"{1990 + i // 4}Q{i % 4 + 1}", wave(i), wave(i, 2))),
    "unix times": "timestamp,value,label\n" + rows(lambda i: (1_700_000_000_000 + 250 * i, wave(i), i // 30)),
    "a census": "age,workclass,native-country,income\n"
    + rows(
        lambda i: (
            20 + i % 50,
            gap(i, ("Private", "State-gov")[i % 2], " ?"),
            f"country {i % 25}",
            (" <=50K", " >50K")[i % 2],
        )
    ),
    "codes with zeros": "zip,price,sqft\n"
    + rows(lambda i: (f"{i % 12:05}", f'"${100_000 + 1000 * i:,}"', 800 + 7 * i)),
    "tabs": "gene\ttreated\texpression\n" + rows(lambda i: (f"g{i}", i % 2 == 0, wave(i)), "\t"),
    "spaces": "x      y     group\n" + rows(lambda i: (wave(i), wave(i, 2), "ab"[i % 2]), "   "),
    "titles and comments": "# exported by meter 3\n\ntime,temperature,state\n"
    + rows(lambda i: (f"{i // 60:02}:{i % 60:02}:00", wave(i), ("on", "off")[i % 2])),
    "reviews": "review,words,stars\n"
    + rows(lambda i: (f'"It was {wave(i)} good, and I would buy it again"', i % 9, i % 5 + 1)),
    "a constant and a gap": "unit,empty,x,y\n" + rows(lambda i: ("cm", "", wave(i), wave(i, 3))),
    "two of one name": "x,x,y\n" + rows(lambda i: (wave(i), wave(i, 2), i % 2)),
    "many columns": ",".join(f"p{n}" for n in range(64))
    + ",target\n"
    + rows(lambda i: (*((i * n) % 17 for n in range(64)), i % 10)),
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES.keys())
def test_a_table_as_people_have_it_trains_without_a_change(tmp_path: Path, text: str) -> None:
    (tmp_path / "table.csv").write_text(text)
    assert train(tmp_path / "table.csv", tmp_path / "packed") is None
