"""From bytes to a recipe: malformed text, and documents that nobody would write."""

import json
import re
from difflib import get_close_matches
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from jsonpointer import resolve_pointer

from bakehouse.recipe import problems
from bakehouse.recipe.problems import DuplicateKey, MalformedJson, RecipeInvalid
from bakehouse.recipe.read import MAX_HINTS, MAX_PROBLEMS, parse_json, read_recipe
from bakehouse.recipe.recipe import Recipe
from tests.plan.cards import Document
from tests.strategies import documents

WORDS = sorted({"none", "type", "adamw", "weight_decay", "rate", "p", "id", "hidden", *Recipe.model_fields})
texts = st.sampled_from(WORDS) | st.text(max_size=4)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-1, 3)
trees = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """A recipe with something else in one place."""
    document: Any = draw(documents())
    here = document
    while True:
        key = draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
        if not isinstance(here[key], dict | list) or not here[key] or draw(st.booleans()):
            break
        here = here[key]
    if isinstance(here, dict) and draw(st.booleans()):
        key = draw(texts)
    here[key] = draw(trees)
    return document


def refusal(document: Any) -> RecipeInvalid | None:
    """None for a recipe; any other exception passes through."""
    try:
        read_recipe(document)
    except RecipeInvalid as refused:
        return refused
    return None


def check_refusal(document: Any) -> None:
    """A document is a recipe, or is refused with problems that point into it."""
    refused = refusal(document)
    assert refused is None or refused.problems
    for problem in refused.problems if refused else ():
        parent, _, _ = str(problem.pointer).rpartition("/")
        assert problem.pointer == "" or isinstance(resolve_pointer(document, parent), dict | list)
        problem.model_dump_json()


@given(trees)
def test_any_json_is_a_recipe_or_refused(document: Any) -> None:
    check_refusal(document)


@given(st.dictionaries(st.sampled_from(sorted(Recipe.model_fields)), trees, max_size=6))
def test_any_values_of_the_fields_are_a_recipe_or_refused(fields: Document) -> None:
    check_refusal({"dataset": "digits", "architecture": "mlp", **fields})


@example({"dataset": "digits", "architecture": "mlp", "optimizer": {"type": "adam", "lr": 10**400}})
@example({"dataset": "digits", "architecture": {"type": ["mlp"]}})
@example({"dataset": "digits", "architecture": {"type": {"mlp": 1}}})
@given(spoilt())
def test_a_spoilt_recipe_is_still_one_or_refused(document: Any) -> None:
    check_refusal(document)


@given(trees)
def test_any_document_survives_its_text(document: Any) -> None:
    text = json.dumps(document, ensure_ascii=False)
    assume(not re.search(r"\d{65}", text))
    assert parse_json(text) == document


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "line 1 column 1"),
        (b"{", "line 1 column 2"),
        (b'{"a": 1,}', "line 1 column"),
        (b"{'a': 1}", "line 1 column 2"),
        (b'{"a": 1} {"b": 2}', "Extra data"),
        (b'\n{"a": }', "line 2 column"),
        (b'{"lr": NaN}', "NaN"),
        (b'{"lr": -Infinity}', "-Infinity"),
        (b'{"lr": 1e999}', "too large"),
        (b'{"lr": 0.' + b"1" * 100 + b"}", "too long"),
        (b'{"seed": ' + b"1" * 5000 + b"}", "5000 digits"),
        (b'{"seed": 1, "seed": 2}', 'duplicate key "seed"'),
        (b'{"a": [{"b": 1, "b": 1}]}', 'duplicate key "b"'),
        (b'{"a": "\xff"}', "byte 7"),
        ("{}".encode("utf-16"), "save it as UTF-8"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'{"a": "\x01"}', "control character"),
        (b"[" * 33 + b"]" * 33, "deeper than 32"),
        (b"[" * 100_000 + b"]" * 100_000, "deeper than 32"),
        (b'{"a":' * 100_000, "deeper than 32"),
    ],
)
def test_malformed_text_is_refused_and_says_why(body: bytes, says: str) -> None:
    with pytest.raises(MalformedJson) as refused:
        parse_json(body)
    assert says in str(refused.value)


def test_a_byte_order_mark_is_skipped() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 1}') == parse_json('\ufeff{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(("text", "number"), [("2.0", 2), ("1e2", 100), ("-3.00", -3), ("2.5", 2.5), ("1e300", 1e300)])
def test_a_number_without_a_fraction_is_an_integer(text: str, number: float) -> None:
    read = parse_json(text)
    assert (read, type(read)) == (number, type(number))


def test_integers_with_a_point_give_the_canonical_recipe_of_integers() -> None:
    document = '{"dataset": "digits", "architecture": {"type": "mlp", "hidden": [64%s]}, "epochs": 2%s, "seed": 3%s}'
    plain = read_recipe(parse_json(document.replace("%s", "")))
    assert read_recipe(parse_json(document.replace("%s", ".0"))) == plain
    assert '"epochs": 2,' in json.dumps(plain.canonical())


def test_whole_numbers_of_a_float_field_stay_floats() -> None:
    read = read_recipe(
        parse_json('{"dataset": "digits", "architecture": "mlp", "optimizer": {"type": "sgd", "lr": 1.0}}')
    )
    assert json.dumps(read.canonical()["optimizer"]["lr"]) == "1.0"


@pytest.mark.parametrize("body", [b"[" * 32 + b"]" * 32, b' {"a": "\\ud83d\\ude00"} ', b"1e308", b"-0.0", b"null"])
def test_odd_but_right_text_is_read(body: bytes) -> None:
    assert parse_json(body) == json.loads(body)


def test_of_many_problems_only_the_first_have_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    search = Mock(wraps=get_close_matches)
    monkeypatch.setattr(problems, "get_close_matches", search)
    document = {"dataset": "iris", "architecture": "mlp", **{f"epochs{number}": 1 for number in range(MAX_PROBLEMS)}}
    with pytest.raises(RecipeInvalid) as refused:
        read_recipe(document)
    messages = [problem.message for problem in refused.value.problems]
    assert len(messages) == MAX_PROBLEMS
    assert ["did you mean 'epochs'?" in message for message in messages] == [
        number < MAX_HINTS for number in range(MAX_PROBLEMS)
    ]
    assert MAX_HINTS <= search.call_count <= 3 * MAX_HINTS


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"seed": 1, "seed": 2}', "/seed"),
        (b'{"variants": {"a": {}, "b": {}, "a": {"norm": 1}}}', "/variants/a"),
        (b'[1, {"x/y": {"z": 1, "z": {}}}]', "/1/x~1y/z"),
        (b'{"a": {"b": 1, "b": 2}, "a": {}}', "/a"),
    ],
)
def test_a_key_that_is_there_twice_has_a_place(body: bytes, place: str) -> None:
    with pytest.raises(DuplicateKey) as caught:
        parse_json(body)
    assert caught.value.problem.pointer == place
