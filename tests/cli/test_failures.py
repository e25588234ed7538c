"""Errors as text and exit codes."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from bakehouse.cli.failures import Explained, explain
from bakehouse.cli.home import PortTaken
from bakehouse.client import (
    DownloadDamaged,
    NotAllowed,
    NotFound,
    RecipeRefused,
    RunTimeout,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from bakehouse.client.errors import ErrorDetail, ProblemDocument
from bakehouse.data.errors import DatasetNotReady
from bakehouse.recipe.problems import MalformedJson, Problem, RecipeInvalid
from bakehouse.settings import Settings

SAID = ProblemDocument(status=400, detail="no flour", request_id="r7")
FLAWS = (
    ErrorDetail(pointer="/norm", code="x", message="bad\x1b[2J", allowed=("a", "b")),
    ErrorDetail(parameter="limit", code="y", message="worse"),
)
FLAWED = SAID.model_copy(update={"errors": FLAWS})


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (MalformedJson("line 1"), 2, ["not JSON", "line 1"]),
        (RecipeInvalid([Problem(pointer="", code="x", message="an object")]), 2, ["/  an object"]),
        (
            RecipeRefused(FLAWED),
            2,
            ["/norm  bad?[2J", "right: a, b", "limit  worse"],
        ),
        (RecipeRefused(SAID), 2, ["no flour", "r7"]),
        (NotFound(SAID), 2, ["no flour", "bakehouse ls"]),
        (DatasetNotReady("mine", retry_after=2), 2, ["mine is being packed"]),
        (PortTaken("127.0.0.1", 8000), 2, ["8000"]),
        (Unreachable("http://x", "refused"), 3, ["http://x", "bakehouse up"]),
        (Unavailable(SAID), 3, ["no flour", "r7"]),
        (NotAllowed(SAID), 4, ["no flour", "r7"]),
        (TooManyRequests(SAID), 1, ["no flour", "r7"]),
        (UnexpectedAnswer("http://x", "html"), 1, ["http://x"]),
        (DownloadDamaged("best", expected="a", found="b"), 1, ["best"]),
        (PermissionError(13, "Permission denied", "/best"), 1, ["/best", "Permission denied"]),
        (RunTimeout("run_1", 3.0), 124, ["3 s", "bakehouse watch run_1"]),
    ],
)
def test_every_error_has_a_code_and_says_what_to_do(error: Explained, code: int, words: list[str]) -> None:
    found, text = explain(error)
    assert found == code
    assert all(word in text for word in words), text
    assert "\x1b" not in text
    assert str(Path.home()) not in text


def test_a_setting_that_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEHOUSE_PORT", "eight\x1b[2J")
    with pytest.raises(ValidationError) as caught:
        Settings()
    code, text = explain(caught.value)
    assert code == 2
    assert "BAKEHOUSE_PORT is 'eight?[2J'" in text
