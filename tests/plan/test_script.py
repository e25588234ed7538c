"""The exported script builds the planned model and computes its outputs to the bit."""

import ast
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from safetensors.torch import save_file

from bakehouse.plan.card import DatasetCard, TargetCard
from bakehouse.plan.plan import Plan
from bakehouse.plan.script import pytorch_code
from bakehouse.recipe.norm import NormLayer
from tests.plan.cards import Document, columns_card, image_card, planned, table_card
from worker.model.build import build_model
from worker.model.modules import VanillaDropout

ARCHITECTURES: dict[str, Document] = {
    "linear": {"architecture": "linear"},
    "mlp": {"architecture": {"type": "mlp", "hidden": [16, 16, 16, 24]}},
    "cnn": {"architecture": {"type": "cnn", "channels": [8, 16], "convolutions": 2, "hidden": []}},
    "cnn_hidden": {"architecture": {"type": "cnn", "channels": [8], "kernel_size": 5, "hidden": [16, 24]}},
    "fitnet": {"architecture": {"type": "fitnet", "stages": [[8, 8, 8], [16]], "hidden": 16}},
    "resnet": {"architecture": {"type": "resnet", "depth": 20}},
    "preresnet": {"architecture": {"type": "preresnet", "block": "bottleneck", "depth": 20}},
    "wide_resnet": {"architecture": {"type": "wide_resnet", "depth": 10, "width": 2}},
    "resnext": {"architecture": {"type": "resnext", "depth": 11, "cardinality": 4, "width": 4}},
    "densenet": {"architecture": {"type": "densenet", "depth": 16, "growth_rate": 8}},
}
CROSS = "cross_iteration_batch_norm"
NORMS = ("none", *(kind.model_fields["type"].default for kind in get_args(NormLayer)))
PREACTIVATED = ("preresnet", "wide_resnet", "densenet")
PLACEMENTS = ("before_activation", "after_activation")


def refused(architecture: str, norm: str) -> bool:
    """Instance norm needs maps, cross-iteration batch norm the weights before it; linear models have nothing to
    normalise."""
    return (
        (norm == "instance_norm" and architecture in ("mlp", "cnn_hidden", "fitnet"))
        or (norm == CROSS and architecture in PREACTIVATED)
        or (norm != "none" and architecture == "linear")
    )


CASES = [
    pytest.param({**ARCHITECTURES[name], "norm": norm if norm == "none" else {"type": norm, "placement": placement}},
                 id=f"{name}-{norm}-{placement}")
    for name, norm, placement in product(ARCHITECTURES, NORMS, PLACEMENTS)
    if not refused(name, norm)
    if placement == "before_activation" or (name not in PREACTIVATED and norm != CROSS)
]  # fmt: skip


def run_script(plan: Plan, folder: Path, weights: dict[str, torch.Tensor]) -> torch.nn.Module:
    """Runs the script beside a file with these weights."""
    path = folder / "best.safetensors"
    save_file(weights, path)
    scope: dict[str, Any] = {}
    exec(compile(pytorch_code(plan, str(path)), "model.py", "exec"), scope)  # noqa: S102  # running it is what is tested
    model = scope["model"]
    assert isinstance(model, torch.nn.Module)
    return model


def disturbed(plan: Plan) -> torch.nn.Module:
    """The worker's model with numbers that no initialisation gives."""
    model = build_model(plan)
    generator = torch.Generator().manual_seed(0)
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    return model.eval()


@pytest.mark.parametrize("document", CASES)
def test_the_script_loads_the_weights_and_computes_the_same(document: Document, tmp_path: Path) -> None:
    plan = planned(document, image_card(side=8))
    model = disturbed(plan)
    loaded = run_script(plan, tmp_path, model.state_dict())
    x = torch.rand(3, *plan.data.shape, generator=torch.Generator().manual_seed(1))
    assert not loaded.training
    assert list(loaded.state_dict()) == list(model.state_dict())
    assert sum(p.numel() for p in loaded.parameters()) == plan.estimate.parameters
    with torch.no_grad():
        assert torch.equal(loaded(x), model(x))


@pytest.mark.parametrize("kind", ["dropout", "vanilla_dropout", "gaussian_dropout", "uout", "gaussian_noise"])
@pytest.mark.parametrize("card", [table_card(), table_card(classes=None)], ids=["classes", "numbers"])
def test_dropout_and_units_survive(kind: str, card: DatasetCard, tmp_path: Path) -> None:
    plan = planned({"dropout": kind}, card)
    model = disturbed(plan)
    x = torch.rand(3, 64)
    with torch.no_grad():
        assert torch.equal(run_script(plan, tmp_path, model.state_dict())(x), model(x))


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "identity"])
def test_the_mean_over_masks_survives(activation: str, tmp_path: Path) -> None:
    dropout = [{"type": "drop_connect", "placement": placement} for placement in ("hidden", "classifier")]
    plan = planned({"architecture": {"type": "mlp", "hidden": 16, "activation": activation}, "dropout": dropout})
    model = disturbed(plan)
    with torch.no_grad():
        for value in model.parameters():
            value.sub_(1)
    loaded = run_script(plan, tmp_path, model.state_dict())
    x = torch.rand(3, 64)
    assert list(loaded.state_dict()) == list(model.state_dict())
    with torch.no_grad():
        assert torch.equal(loaded(x), model(x))


PARITY = TargetCard(name='"even"\n?', task="classification", classes=("even", "odd"))


def test_several_targets_survive(tmp_path: Path) -> None:
    numbers = tuple(TargetCard(name=name, task="regression", minimum=0) for name in ("a", "b"))
    card = image_card(side=8).model_copy(update={"targets": (*numbers, PARITY)})
    tasks = ["a", {"target": PARITY.name, "loss": "binary_cross_entropy"}, {"target": "b", "loss": "poisson"}]
    dropout = {"type": "drop_connect", "placement": "classifier"}
    plan = planned({"objective": {"tasks": tasks}, "dropout": dropout}, card)
    model = disturbed(plan)
    loaded = run_script(plan, tmp_path, model.state_dict())
    x = torch.rand(3, *plan.data.shape) / 100
    assert list(loaded.state_dict()) == list(model.state_dict())
    assert '#   11 to 11: "\\"even\\"\\n?", the logit of "odd" against "even"' in pytorch_code(plan)
    with torch.no_grad():
        assert torch.equal(loaded(x), model(x))


def test_settings_away_from_the_defaults_are_in_the_script() -> None:
    code = pytorch_code(planned({"norm": {"type": "batch_norm", "momentum": 0.01, "eps": 1e-3, "affine": False}}))
    assert "nn.BatchNorm1d(256, eps=0.001, momentum=0.01, affine=False)" in code


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_only_what_is_used_is_defined(name: str) -> None:
    tree = ast.parse(pytorch_code(planned(ARCHITECTURES[name], image_card())))
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    own = {
        "fitnet": {"Maxout", "MaxOverMap"},
        "resnet": {"Residual", "Subsample", "MeanOverMap"},
        "preresnet": {"Residual", "MeanOverMap"},
        "wide_resnet": {"Residual", "MeanOverMap"},
        "resnext": {"Residual", "MeanOverMap"},
        "densenet": {"DenseConcat", "MeanOverMap"},
    }
    assert defined == {"Fitted", "Normalize"} | own.get(name, set())


@pytest.mark.parametrize(
    "architecture",
    [
        {"type": "resnet", "depth": 1202},
        {"type": "preresnet", "block": "bottleneck", "depth": 1001},
        {"type": "wide_resnet", "depth": 1000},
        {"type": "resnext", "depth": 1001},
    ],
    ids=lambda architecture: architecture["type"],
)
def test_a_deep_network_stays_short(architecture: Document) -> None:
    code = pytorch_code(planned({"architecture": architecture, "norm": "batch_norm"}, image_card()))
    assert len(code.splitlines()) < 250


def test_dropout_in_several_placements_survives(tmp_path: Path) -> None:
    dropout = [
        {"type": "vanilla_dropout", "rate": 0.1 * n, "placement": placement}
        for n, placement in enumerate(("input", "classifier", "block_before_norm", "block_before_conv"), start=1)
    ]
    plan = planned({"architecture": "preresnet", "dropout": dropout, "norm": "batch_norm"}, image_card(side=8))
    model = disturbed(plan)
    x = torch.rand(3, 3, 8, 8)
    assert sum(isinstance(module, VanillaDropout) for module in model.modules()) == 2 + 2 * 9
    with torch.no_grad():
        assert torch.equal(run_script(plan, tmp_path, model.state_dict())(x), model(x))


def test_any_path_is_quoted() -> None:
    path = 'a "quoted"\\path\n🥐.safetensors'
    assert ast.literal_eval(pytorch_code(planned({}), path).split("load_file(")[1].split("))")[0]) == path


@pytest.mark.parametrize(
    ("loss", "card", "meaning"),
    [
        ("poisson", table_card(classes=None), "values in the data set's units"),
        ("binary_cross_entropy", table_card(classes=2), 'the logit of "1" against "0"'),
    ],
)
def test_models_of_one_output_survive(loss: str, card: DatasetCard, meaning: str, tmp_path: Path) -> None:
    plan = planned({"objective": loss}, card)
    assert f"Out: {meaning}." in pytorch_code(plan)
    ours = build_model(plan).eval()
    inputs = torch.randn(5, *card.shape)
    theirs = run_script(plan, tmp_path, ours.state_dict())
    with torch.inference_mode():
        assert torch.equal(ours(inputs), theirs(inputs))
        assert ours(inputs).shape == (5, 1)
        assert loss != "poisson" or ours(inputs).min() > 0


def test_the_script_names_the_input_columns_and_the_classes() -> None:
    code = pytorch_code(planned({"dataset": {"id": "houses", "target": "rooms"}}, columns_card()))
    lines = code.splitlines()
    assert "    'area': Number()," in lines
    assert "CLASSES = ('1', '2', '3')" in lines


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_the_script_says_how_pictures_become_inputs(channels: int, mode: str) -> None:
    card = image_card(channels=channels, side=8).model_copy(update={"format": "pictures", "shape": (channels, 8, 9)})
    code = pytorch_code(planned({}, card))
    assert f"converted to {mode}, with grey (128)\n" in code
    assert "ImageOps.fit (BILINEAR) makes them 9 x 8 unless they are." in code
    assert "Pillow" not in pytorch_code(planned({}, image_card(side=8)))


def test_a_note_becomes_comments() -> None:
    code = pytorch_code(planned({}), note="first\n\n  second")
    assert code.startswith("# first\n#\n#   second\n\n\nfrom collections import")
