"""Random recipes and plans of the kinds that users most often write."""

from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from bakehouse.plan.card import DatasetCard
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from tests import mixed_table
from tests.plan.cards import Document, columns_card, image_card, sequence_card, table_card
from tests.schema_strategies import posted_recipes

CARDS = (image_card(side=8, channels=1, rows=900), image_card(mirror_safe=False), table_card(), table_card(rows=300),
         table_card(classes=None), table_card(classes=2), sequence_card(), columns_card(),
         mixed_table.card())  # fmt: skip

rates = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 0.9])
placements = st.sampled_from([None, "input", "hidden", "block_before_norm", "block_before_conv", "classifier"])
widths = st.lists(st.sampled_from([1, 7, 8, 16, 64, 256]), min_size=1, max_size=6)
activations = st.sampled_from(["relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "identity"])
norm_placements = st.sampled_from(["before_activation", "after_activation"])
compressions = st.sampled_from([1e-3, 0.3, 0.5, 1.0])
normalizations = st.sampled_from(["none", "standardize", "min_max", "whiten"])
coefficients = st.sampled_from([0.0, 1e-4, 2e-3, 1.0, 1e3])


def variant(name: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Document]:
    """One variant with some of its fields."""
    return st.fixed_dictionaries({"type": st.just(name)}, optional=fields)


def variant_with_all(name: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Document]:
    """One variant with all of these fields, because their defaults would make a large model."""
    return st.fixed_dictionaries({"type": st.just(name), **fields}, optional={"activation": activations})


RECURRENT = variant(
    "rnn",
    cell=st.sampled_from(["elman", "gru", "lstm"]),
    hidden_size=st.sampled_from([1, 8, 16]),
    num_layers=st.integers(1, 3),
)

FAMILIES: dict[str, st.SearchStrategy[Any]] = {
    "architecture": st.just("linear")
    | RECURRENT
    | variant("mlp", hidden=widths, activation=activations)
    | variant(
        "cnn",
        channels=widths,
        hidden=st.just([]) | widths,
        convolutions=st.integers(1, 3),
        kernel_size=st.sampled_from([1, 3, 5, 7]),
        activation=activations,
    )
    | variant("resnet", depth=st.sampled_from([8, 14, 20]), activation=activations)
    | variant_with_all(
        "vgg", depth=st.sampled_from([11, 13, 16, 19]), width=st.integers(1, 8), hidden=st.just([]) | widths
    )
    | variant(
        "fitnet",
        stages=st.lists(widths.filter(lambda drawn: sum(drawn) < 200), min_size=1, max_size=3),
        hidden=st.integers(1, 20),
        pieces=st.integers(2, 3),
        activation=activations | st.just("maxout"),
    )
    | variant("preresnet", block=st.sampled_from(["basic", "bottleneck"]), activation=activations)
    | variant("wide_resnet", depth=st.sampled_from([10, 16]), width=st.sampled_from([1, 3]), activation=activations)
    | variant_with_all("resnext", depth=st.just(11), cardinality=st.sampled_from([1, 4]), width=st.sampled_from([1, 8]))
    | variant_with_all(
        "densenet", depth=st.sampled_from([10, 16]), growth_rate=st.integers(1, 8), compression=compressions
    ),
    "norm": st.none()
    | variant("group_norm", num_groups=st.sampled_from([1, 2, 7, 8, 16]), placement=norm_placements)
    | variant(
        "cross_iteration_batch_norm",
        window=st.integers(1, 5),
        unit=st.sampled_from(["run", "steps"]),
        burn_in=st.sampled_from([0.0, 0.3, 1.0, 1e6]),
    )
    | st.sampled_from(["batch_norm", "layer_norm", "rms_norm", "instance_norm", "batch_renorm"]).flatmap(
        lambda name: variant(name, placement=norm_placements)
    ),
    "dropout": rates
    | st.lists(
        variant("dropout", rate=rates, placement=placements)
        | st.sampled_from(["vanilla_dropout", "gaussian_dropout"]).flatmap(
            lambda name: variant(name, rate=rates, placement=placements)
        )
        | variant("spatial_dropout", rate=rates, placement=placements.filter(lambda place: place != "classifier"))
        | variant("uout", beta=rates, placement=placements)
        | variant("gaussian_noise", std=rates, placement=placements)
        | variant("drop_connect", rate=rates, placement=st.sampled_from([None, "hidden", "classifier"])),
        max_size=3,
    ),
    "augmentation": st.lists(
        variant("random_crop")
        | variant("horizontal_flip", probability=rates)
        | variant("input_noise", std=st.sampled_from([0.1, 0.5, 2.0]))
        | variant("scale_crop", low=st.sampled_from([28, 32, 40]), high=st.sampled_from([32, 64]))
        | variant("color_jitter", hue=st.sampled_from([None, 0.0, 0.3]))
        | variant("gaussian_blur", sigma=st.sampled_from([0.5, [0.1, 2.0]]))
        | variant("affine", degrees=st.sampled_from([10.0, 90.0]))
        | variant("trivial_augment", space=st.sampled_from(["wide", "rand_augment"]))
        | variant("cutout", size=st.sampled_from([None, 8, 40]))
        | st.sampled_from(["random_resized_crop", "perspective", "rand_augment", "mixup", "cutmix"]),
        max_size=3,
    ),
    "regularizer": st.lists(
        variant("l1", coefficient=coefficients, method=st.sampled_from(["proximal", "subgradient"]))
        | variant("l2", coefficient=coefficients)
        | variant("weight_decay", coefficient=coefficients)
        | variant("max_norm")
        | variant("dropout_penalty")
        | st.sampled_from(["gradient_clip", "weight_noise"]),
        max_size=4,
    ),
    "objective": st.fixed_dictionaries(
        {},
        optional={
            "label_smoothing": rates.filter(bool),
            "loss": st.sampled_from(["cross_entropy", "binary_cross_entropy", "squared_error", "poisson"]),
        },
    ),
    "curriculum": st.none()
    | st.fixed_dictionaries(
        {"type": st.sampled_from(["curriculum", "self_paced"])},
        optional={
            "start": st.sampled_from([0.1, 1.0]),
            "until": st.sampled_from([0.5, 0.95, 1.0]),
            "balanced": st.booleans(),
        },
    )
    | variant("self_paced", warmup_epochs=st.integers(0, 30), until=st.sampled_from([0.5, 0.95, 1.0])),
    "optimizer": st.sampled_from(["sgd", "adam", "rmsprop"]).flatmap(
        lambda name: variant(name, lr=st.sampled_from([1e-4, 0.1, 0.5, 100.0]))
    )
    | st.just("adamw"),
    "schedule": st.sampled_from(["constant", "cosine", "step", "multi_step", "plateau"]).flatmap(
        lambda name: variant(name, warmup_epochs=st.sampled_from([0, 2.5]))
    )
    | st.just("one_cycle"),
    "batch_size": st.sampled_from([1, 2, 15, 16, 64, 1024, 4096]),
    "epochs": st.sampled_from([1, 3, 30]),
    "early_stopping": st.none()
    | st.integers(1, 30)
    | st.sampled_from(["generalization_loss", "progress_quotient", "successive_increases"]),
}


@st.composite
def documents(draw: st.DrawFn, *, always: frozenset[str] = frozenset({"architecture"})) -> Document:
    """Recipes in which every field is valid by itself; together they may be refused."""
    wanted = always | draw(st.sets(st.sampled_from(sorted(FAMILIES)), max_size=6))
    dataset = {"id": "set", "normalization": draw(normalizations)}
    return {"dataset": dataset, **{name: draw(FAMILIES[name]) for name in sorted(wanted)}}


# There is no other run to build on.
POSTED_RECIPES = posted_recipes({"SavedCheckpoint": st.nothing()})


@st.composite
def plans(draw: st.DrawFn, *, large: bool = False) -> Plan:
    """Plans of recipes that fit their data. With `large`, half of the recipes are anything that the schema allows,
    of any size."""
    card = draw(st.sampled_from(CARDS))
    document = draw(usual_documents(card) | POSTED_RECIPES if large else usual_documents(card))
    names = [column.name for column in card.columns or () if column.kind in ("number", "boolean", "category")]
    target = {"target": draw(st.sampled_from(names))} if names else {}
    document["dataset"] = {"id": card.id, "normalization": draw(normalizations), **target}
    try:
        return make_plan(read_recipe(document), card)
    except RecipeInvalid:
        assume(False)
        raise


@st.composite
def usual_documents(draw: st.DrawFn, card: DatasetCard) -> Document:
    """Recipes with a norm and dropout, and often with an architecture that fits the data."""
    document = draw(documents(always=frozenset({"architecture", "norm", "dropout"})))
    if card.kind == "table" and draw(st.booleans()):
        document["architecture"] = draw(variant("mlp", hidden=widths, activation=activations))
    if card.kind == "sequence" and draw(st.booleans()):
        document["architecture"] = draw(RECURRENT)
    if draw(st.booleans()):
        document["dropout"] = [{"type": "dropout", "rate": draw(rates), "placement": draw(placements_in(document))}]
    return document


def placements_in(document: Document) -> st.SearchStrategy[str]:
    """The positions at which the architecture of a document can have dropout."""
    architecture = read_recipe({**document, "dropout": []}).architecture
    return st.sampled_from(architecture.dropout_places)
