"""Chosen fields of JSON, and the width of a terminal."""

import fcntl
import os
import pty
import struct
import termios
from pathlib import Path

import pytest
import typer

from bakehouse.cli.output import output_width, pick, split_fields
from bakehouse.model import JsonObject

RUNS: list[JsonObject] = [
    {"id": "a", "best": {"epoch": 2, "metrics": {"loss": 0.5}}, "labels": {}},
    {"id": "b", "best": None, "labels": {"owner": "me"}},
]


def test_only_the_named_fields_are_kept_in_their_places() -> None:
    assert pick(RUNS, split_fields("id, best.metrics.loss,labels.owner")) == [
        {"id": "a", "best": {"metrics": {"loss": 0.5}}, "labels": {"owner": None}},
        {"id": "b", "best": None, "labels": {"owner": "me"}},
    ]
    assert pick(RUNS, split_fields("best.epoch")) == [{"best": {"epoch": 2}}, {"best": None}]
    assert pick([], split_fields("id")) == []
    assert pick([{"advice": [{"code": "x", "source": "y"}], "at": [1]}], split_fields("advice.code,at")) == [
        {"advice": [{"code": "x"}], "at": [1]}
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("idd", "the output has no field 'idd'; did you mean 'id'?"),
        ("zzz", "the output has no field 'zzz'; it has id, best, labels"),
        ("labels.ownr", "labels has no field 'ownr'; did you mean 'owner'?"),
        ("id.x", "id has no fields, so there is no 'x' in it"),
        ("id,", "not of the form a,b.c"),
        ("", "not of the form a,b.c"),
    ],
)
def test_a_field_that_nothing_has_is_refused_with_the_nearest(fields: str, message: str) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        pick(RUNS, split_fields(fields))
    assert message in str(caught.value)


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 61, 0, 0))
        assert output_width(terminal) == 61
        monkeypatch.setenv("COLUMNS", "97")
        assert output_width(terminal) == 97
    os.close(ours)
    with Path(os.devnull).open("w") as file:
        assert output_width(file) is None
