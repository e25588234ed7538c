"""The catalogue lists a rule for the ingredients that the rule looks at."""

import pytest
from jsonpointer import JsonPointer

from bakehouse.advice.rule import RULES
from tests.advice.test_rules import CASES, RULE_BY_NAME, Case
from tests.plan.cards import planned


def test_every_rule_is_about_an_ingredient_and_has_a_reason() -> None:
    for rule in RULES:
        assert rule.about
        assert rule.reason


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{CASES.index(case)}")
def test_a_rule_that_points_at_an_ingredient_is_about_it(case: Case) -> None:
    plan = planned(case.fires, case.card)
    [advice] = RULE_BY_NAME[case.rule](plan)
    steps = JsonPointer(advice.pointer).parts
    document = plan.recipe.canonical()
    parts = [JsonPointer.from_parts(steps[:end]).resolve(document) for end in range(1, len(steps) + 1)]
    types = {part["type"] for part in parts if isinstance(part, dict) and "type" in part} - {"none"}
    kinds = [kind for kind in RULE_BY_NAME[case.rule].about if "type" in kind.model_fields]
    assert types <= {kind.model_fields["type"].default for kind in kinds}
