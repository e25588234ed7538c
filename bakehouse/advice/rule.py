"""Defines a rule of advice, and how it registers itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from bakehouse.advice.advice import Advice
from bakehouse.plan.plan import Plan
from bakehouse.recipe.ingredient import Ingredient
from bakehouse.recipe.patch import PatchStep, Severity


class Finding(NamedTuple):
    """What a rule found at one place of a recipe: pointer, message and patch."""

    pointer: str
    message: str
    patch: tuple[PatchStep, ...]


FindingsOf = Callable[[Plan], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    """Finds one kind of weakness in plans."""

    code: str
    severity: Severity
    about: tuple[type[Ingredient], ...]
    """The ingredients that the rule looks at; the catalogue lists the rule for each of them."""
    source: str
    reason: str
    findings: FindingsOf

    def __call__(self, plan: Plan) -> Iterator[Advice]:
        for found in self.findings(plan):
            yield Advice(code=self.code, severity=self.severity, source=self.source, **found._asdict())


RULES: list[Rule] = []


def rule(severity: Severity, *, about: tuple[type[Ingredient], ...], source: str) -> Callable[[FindingsOf], Rule]:
    """Registers a function as a rule, whose code is the function's name and whose reason is its docstring."""

    def register(function: FindingsOf) -> Rule:
        RULES.append(Rule(function.__name__, severity, about, source, function.__doc__ or "", function))
        return RULES[-1]

    return register
