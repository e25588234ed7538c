"""Cards of data sets that are not there."""

from bakehouse.plan.card import Column, DatasetCard, SplitCounts
from bakehouse.plan.plan import Plan, make_plan
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
            Column(name="rooms", kind="integer", classes=("1", "2", "3"), minimum=1, maximum=3),
            Column(name="area", kind="number", minimum=20, maximum=200),
            Column(name="price", kind="number", minimum=1, maximum=9),
        ),
        minimum=1,
        maximum=200,
    )


def planned(document: Document, card: DatasetCard | None = None) -> Plan:
    """The plan of a short recipe, whose data set is filled in."""
    card = card or table_card()
    return make_plan(read_recipe({"dataset": card.id, "architecture": "mlp", **document}), card)
