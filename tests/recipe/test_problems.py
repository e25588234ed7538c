"""Pointers into what was posted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonpointer import resolve_pointer

from bakehouse.recipe.problems import Path, did_you_mean, nearest_names, path_of, pointer, posted_pointer

keys = st.text(max_size=3) | st.sampled_from(["type", "dropout", "regularizer", "optimizer", "a/b", "~0"])
steps = keys | st.integers(0, 3)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)


@given(trees, st.lists(steps, max_size=5))
def test_a_pointer_resolves_or_names_one_missing_last_step(document: Any, path: list[str | int]) -> None:
    found = posted_pointer(document, path)
    parent, _, _ = found.rpartition("/")
    container = resolve_pointer(document, parent)
    assert found == "" or isinstance(container, dict | list)


@given(st.lists(st.text(min_size=1).filter(lambda step: not step.isdecimal()) | st.integers(0, 99)))
def test_a_path_survives_its_pointer(path: list[str | int]) -> None:
    assert path_of(pointer(path)) == path


@pytest.mark.parametrize(
    ("document", "path", "expected"),
    [
        ({"norm": "batch_norm"}, ["norm", "momentum"], "/norm"),
        ({"norm": {"type": "batch_norm"}}, ["norm", "momentum"], "/norm/momentum"),
        ({}, ["norm", "momentum"], "/norm"),
        ({}, ["batch_size"], "/batch_size"),
        ({"dropout": 0.5}, ["dropout", 0, "rate"], "/dropout"),
        ({"dropout": {"rate": 0.5}}, ["dropout", 0, "rate"], "/dropout/rate"),
        ({"dropout": [0.5]}, ["dropout", 0, "rate"], "/dropout/0"),
        ({"dropout": ["none", None, 0.5]}, ["dropout", 0, "rate"], "/dropout/2"),
        ({"architecture": {"hidden": [None, 5]}}, ["architecture", "hidden", 1], "/architecture/hidden/1"),
        ({"optimizer": "adamw"}, ["regularizer", 0, "coefficient"], "/optimizer"),
        ({"optimizer": {"type": "adamw"}}, ["regularizer", 0, "coefficient"], "/optimizer/weight_decay"),
        ({"optimizer": {}, "regularizer": "l1"}, ["regularizer", 1, "coefficient"], "/optimizer/weight_decay"),
        ({"optimizer": {}, "regularizer": "l1"}, ["regularizer", 0, "coefficient"], "/regularizer"),
        ({"a/b": {"~": 1}}, ["a/b", "~"], "/a~1b/~0"),
        ([], ["norm"], ""),
    ],
)
def test_short_forms_take_the_pointer(document: object, path: Path, expected: str) -> None:
    assert posted_pointer(document, path) == expected


@pytest.mark.parametrize(
    ("given", "names", "hint"),
    [
        ("momentun", ["eps", "momentum"], "; did you mean 'momentum'?"),
        ("PRICE", ["area", "Price"], "; did you mean 'Price'?"),
        ("norm", ["batch_renormalization", "dropout"], "; did you mean 'batch_renormalization'?"),
        ("zebra", ["eps", "momentum"], ""),
        (None, ["eps"], ""),
        ("eps", [], ""),
    ],
)
def test_a_misspelt_name_gets_a_suggestion_if_one_is_near(given: object, names: list[str], hint: str) -> None:
    assert did_you_mean(given, names) == hint


def test_several_near_names_begin_with_the_nearest() -> None:
    assert nearest_names("digit", ["digital", "digits", "iris"], count=2) == ["digits", "digital"]
