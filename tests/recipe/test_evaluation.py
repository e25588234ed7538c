"""Short forms of how a run is measured and diagnosed."""

from typing import Any

import pytest
from pydantic import ValidationError

from bakehouse.recipe.diagnostics import Sparsity, VarianceShift
from bakehouse.recipe.evaluation import Crops, Evaluation
from bakehouse.recipe.read import read_recipe


@pytest.mark.parametrize(
    ("written", "crops"),
    [
        (None, None),
        ({}, Crops()),
        (32, Crops(scales=(32,))),
        ([28, 32], Crops(scales=(28, 32))),
        ({"scales": 32, "flips": True}, Crops(scales=(32,), flips=True)),
    ],
)
def test_numbers_are_the_scales_of_crops(written: Any, crops: Crops | None) -> None:
    assert Evaluation.model_validate({"crops": written}).crops == crops


@pytest.mark.parametrize(
    "fields", [{"crops": []}, {"crops": [0]}, {"monte_carlo_samples": 1001}, {"statistics": "ema"}]
)
def test_values_out_of_range_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Evaluation.model_validate(fields)


def test_a_diagnostic_is_named_or_spelt_out() -> None:
    document = {"dataset": "digits", "architecture": "mlp"}
    diagnostics = ["variance_shift", {"type": "sparsity", "rows": "all"}]
    assert read_recipe({**document, "diagnostics": diagnostics}).diagnostics == (VarianceShift(), Sparsity(rows="all"))
    assert read_recipe({**document, "diagnostics": "sparsity"}).diagnostics == (Sparsity(),)
    assert read_recipe({**document, "diagnostics": None}).diagnostics == ()
