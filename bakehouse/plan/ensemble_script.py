"""Prints a script that uses several trained models as one, in plain PyTorch."""

from collections.abc import Sequence

from bakehouse.plan.evaluation_script import Evaluation, evaluation_use, measurement
from bakehouse.plan.module_source import read_source
from bakehouse.plan.modules import model_call
from bakehouse.plan.plan import Plan
from bakehouse.plan.script import (
    STANDALONE,
    constants,
    expression,
    inputs,
    join_script,
    literal,
    model_use,
    outputs,
    row_use,
)

NAMES = ("Ensemble", "load_members")
UNITS_IN = "members.0."
"""Where the layers are that convert numbers to the data's units. Those of all members are alike."""


def ensemble_code(plan: Plan, files: Sequence[str], mean: str, evaluation: Evaluation | None, *, note: str) -> str:
    """Returns a script that loads the members from files beside it and predicts with their mean; with an evaluation,
    it also measures them on the test rows, and compares the metrics with those that were recorded."""
    standalone = read_source(*STANDALONE)
    text = ensemble_text(plan, files, mean)
    if evaluation is None:
        return join_script(note, [model_use(plan), *row_use(plan), (standalone, NAMES)], [text])
    source, used = evaluation_use(plan, evaluation)
    uses = [model_use(plan), *row_use(plan), (source, used.union(NAMES))]
    return join_script(note, uses, [text, *measurement(plan, evaluation)])


def ensemble_text(plan: Plan, files: Sequence[str], mean: str) -> str:
    """Returns the statements that build the members, load their weights and make one model of them."""
    targets = [(target.columns, target.loss) for target in plan.targets]
    return "\n".join(
        [
            f"# In: {inputs(plan)}. Out: {outputs(plan)}.",
            *constants(plan),
            "\n",
            "def build_member() -> nn.Module:",
            f"    return {expression(model_call(plan), '    ')}",
            "\n",
            "FOLDER = Path(__file__).parent",
            f"FILES = {literal(list(files))}",
            f"TARGET_OUTPUTS = {literal(targets)}",
            "members = load_members(build_member, [FOLDER / file for file in FILES])",
            f"model = Ensemble(members, TARGET_OUTPUTS, {mean!r})",
            "model.eval()",
        ]
    )
