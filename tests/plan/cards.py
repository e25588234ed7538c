"""Cards of data sets that are not there."""

from bakehouse.plan.card import Column, DatasetCard, SplitCounts
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.checkpoint import checkpoints_in
from bakehouse.recipe.read import read_recipe

Document = dict[str, object]


def image_card(
    *, channels: int = 3, side: int = 32, classes: int = 10, rows: int = 5000, mirror_safe: bool = True
) -> DatasetCard:
    """Square images of bytes."""
    return DatasetCard(
        id="pictures",
        origin="nowhere",
        fingerprint="sha256:0",
        kind="image",
        shape=(channels, side, side),
        dtype="uint8",
        counts=SplitCounts(train=rows),
        task="classification",
        classes=tuple(map(str, range(classes))),
        minimum=0,
        maximum=255,
        mirror_safe=mirror_safe,
    )


def table_card(*, features: int = 64, classes: int | None = 10, rows: int = 5000) -> DatasetCard:
    """Rows of numbers with a fixed target."""
    return DatasetCard(
        id="rows",
        origin="nowhere",
        fingerprint="sha256:0",
        kind="table",
        shape=(features,),
        dtype="float32",
        counts=SplitCounts(train=rows),
        task="classification" if classes else "regression",
        classes=tuple(map(str, range(classes))) if classes else None,
        minimum=-3,
        maximum=7,
    )


def sequence_card(*, steps: int = 12, numbers: int = 5, classes: int = 4, rows: int = 1000) -> DatasetCard:
    """Sequences of one length."""
    return table_card(classes=classes, rows=rows).model_copy(
        update={"id": "sequences", "kind": "sequence", "shape": (steps, numbers)}
    )


def columns_card() -> DatasetCard:
    """A table whose target the recipe names."""
    return DatasetCard(
        id="houses",
        origin="nowhere",
        fingerprint="sha256:0",
        kind="table",
        shape=(2,),
        dtype="float32",
        counts=SplitCounts(train=1000),
        columns=(
            Column(name="rooms", kind="number", whole=True, classes=("1", "2", "3"), minimum=1, maximum=3),
            Column(name="area", kind="number", minimum=20, maximum=200),
            Column(name="price", kind="number", minimum=1, maximum=9),
        ),
        minimum=1,
        maximum=200,
    )


SAVED = {"run": "run_source222222", "epoch": 1, "sha256": "a" * 64}
"""A checkpoint of the shortest recipe, on rows."""
SMOOTHED = {**SAVED, "sha256": "b" * 64}
"""The same with label smoothing."""
SOURCES: dict[str, Document] = {"a" * 64: {}, "b" * 64: {"objective": {"label_smoothing": 0.1}}}
"""What was trained, by the digest of the weights."""


def planned(document: Document, card: DatasetCard | None = None) -> Plan:
    """The plan of a short recipe, whose data set is filled in."""
    card = card or table_card()
    recipe = read_recipe({"dataset": card.id, "architecture": "mlp", **document})
    named = {item.sha256 for item in checkpoints_in(recipe).values()}
    return make_plan(recipe, card, {sha256: planned(trained) for sha256, trained in SOURCES.items() if sha256 in named})
