"""Every variant of every family of the recipe language, read off its own classes."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Literal, get_args, get_origin

from bakehouse.recipe.architecture import AnyArchitecture, Cnn
from bakehouse.recipe.checkpoint import SavedCheckpoint
from bakehouse.recipe.ingredient import Ingredient, Off, variants
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe
from tests.small_trainings import DIABETES, DIGITS_CNN, IRIS, MIXED, Document, make_small_plan, train_source

BASES: list[Document] = [
    DIGITS_CNN,
    {**IRIS, "norm": "batch_norm"},
    DIABETES,
    {**DIGITS_CNN, "architecture": {"type": "fitnet", "stages": [[4, 4], [4]], "hidden": 8}},
    {**DIGITS_CNN, "architecture": {"type": "vgg", "width": 4}},
    {**DIGITS_CNN, "architecture": {"type": "resnet", "depth": 8}},
    {**DIGITS_CNN, "architecture": {"type": "preresnet", "depth": 8}},
    {**DIGITS_CNN, "architecture": {"type": "wide_resnet", "depth": 10, "width": 1}},
    {**DIGITS_CNN, "architecture": {"type": "resnext", "depth": 11, "cardinality": 2, "width": 4}, "epochs": 1},
    {**DIGITS_CNN, "architecture": {"type": "densenet", "depth": 10, "growth_rate": 4}},
    {
        **DIGITS_CNN,
        "dataset": {"id": "digits_sequence", "validation_fraction": 0.9},
        "architecture": {"type": "rnn", "hidden_size": 8, "num_layers": 2},
        "norm": "layer_norm",
    },
    # Of two classes.
    {**IRIS, "dataset": {"id": "breast_cancer", "validation_fraction": 0.8}},
    {**IRIS, "architecture": {"type": "mlp", "hidden": [8], "activation": "tanh"}},
    MIXED,
    # Without a place for a norm or hidden dropout.
    {**IRIS, "architecture": "linear"},
]
"""A variant is tried in each, the first that it fits is trained."""
assert {type(read_recipe(base).architecture) for base in BASES} == set(get_args(AnyArchitecture))

# A compiler costs half a minute; pictures of different sizes are trained on in tests/worker/data/test_photographs.py;
# not a choice: version.
LEFT_OUT = {"compile", "size", "version"}
OPTIONAL: dict[str, list[Any]] = {
    "adversarial": [0.05, {"unit": "normalized", "steps": 2, "weight": 1}],
    "columns": [{"missing": "mean_and_flag"}, {"missing": "median"}, {"kinds": {"dogs": "category"}}],
    "crops": [{"scales": [9]}],
    "label_smoothing": [0.1, {"epsilon": 0.1, "spread": "wrong_classes"}],
    "monitor": ["validation_accuracy", "validation_mean_absolute_error", "validation_r2"],
    "monte_carlo_samples": [3],
    "tasks": ["parity", [{"target": "parity", "weight": 0.3, "loss": "binary_cross_entropy"}]],
}
"""Choices that are neither a literal nor a truth value."""


def choices(kind: type[Ingredient]) -> Iterator[tuple[str, Any]]:
    """Each value of each field that has a few."""
    for name, field in kind.model_fields.items():
        for inner in (field.annotation, *get_args(field.annotation)):
            if name in LEFT_OUT or name == "type":
                continue
            if get_origin(inner) is Literal:
                yield from ((name, value) for value in get_args(inner))
            elif is_add_on(inner) and needed(inner):
                yield name, needed(inner)
            elif inner is bool:
                yield from ((name, value) for value in (True, False))
        yield from ((name, value) for value in OPTIONAL.get(name, []))
        for tag, inner in variants(field.annotation).items():
            if kind is not Recipe and "type" in inner.model_fields and needed(inner):
                yield name, {"type": tag, **needed(inner)}


def is_add_on(kind: Any) -> bool:
    """A part without variants that a recipe may leave out."""
    return isinstance(kind, type) and issubclass(kind, Ingredient) and "type" not in kind.model_fields


def needed(kind: type[Ingredient]) -> Document:
    """The checkpoint that a variant cannot do without."""
    return {
        name: source()
        for name, field in kind.model_fields.items()
        if field.is_required() and field.annotation is SavedCheckpoint
    }


@cache
def source() -> Document:
    """A trained run to build on."""
    return train_source(DIGITS_CNN)


def changes() -> Iterator[tuple[str, Any]]:
    """A field of the recipe and what to write there."""
    yield from choices(Recipe)
    for family, field in Recipe.model_fields.items():
        for tag, kind in variants(field.annotation).items():
            typed = {"type": tag, **needed(kind)} if "type" in kind.model_fields else {}
            if typed and kind is not Off:
                yield family, typed
            for name, value in choices(kind):
                # The same layer in every architecture.
                if name != "activation" or kind is Cnn:
                    yield family, {**typed, name: value}


def name_of(change: tuple[str, Any]) -> str:
    """`norm:group_norm:affine=True`."""
    family, value = change
    if not isinstance(value, dict):
        return f"{family}={value}"
    logged = {
        name: choice.get("type", choice) if isinstance(choice, dict) else choice for name, choice in value.items()
    }
    fields = [f"{name}={choice}" for name, choice in logged.items() if name not in ("type", "checkpoint", "teacher")]
    return ":".join([family, *([value["type"]] if "type" in value else []), *fields])


def with_change(base: Document, change: tuple[str, Any]) -> Document:
    """Writes a variant into a recipe, in place of the family or of one choice in it."""
    family, value = change
    present = base.get(family)
    if isinstance(value, dict) and isinstance(present, dict | str):
        spelt = present if isinstance(present, dict) else {"dataset": {"id": present}}.get(family, {"type": present})
        value = {**spelt, **value} if spelt.get("type") == value.get("type") else value
    return {**base, family: value}


def recipe_of(change: tuple[str, Any]) -> Document:
    """The first base that the variant fits, one with the same architecture before others."""
    family, value = change
    wanted = value["type"] if family == "architecture" else None
    for base in sorted(BASES, key=lambda base: wanted not in (None, read_recipe(base).architecture.type)):
        document = with_change(base, change)
        try:
            make_small_plan(document)
        except RecipeInvalid:
            continue
        return document
    raise AssertionError(f"{name_of(change)} fits none of the bases")


def recipes() -> dict[str, Document]:
    """By name; a choice that is the default is the recipe of its variant again."""
    found: dict[str, tuple[str, Document]] = {}
    for change in changes():
        document = recipe_of(change)
        found.setdefault(make_small_plan(document).recipe.sha256(), (name_of(change), document))
    return dict(found.values())
