"""Defines a rule of the verdict, and how a function becomes one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from bakehouse.recipe.patch import PatchStep, Severity
from bakehouse.verdict.outcome import Outcome
from bakehouse.verdict.verdict import Verdict


class Found(NamedTuple):
    """What a rule found: a message, and the patch to try."""

    message: str
    patch: tuple[PatchStep, ...] = ()


FoundIn = Callable[[Outcome], Iterator[Found]]


@dataclass(frozen=True)
class Rule:
    """Finds one kind of ending."""

    code: str
    severity: Severity
    source: str
    reason: str
    found_in: FoundIn

    def __call__(self, outcome: Outcome) -> Iterator[Verdict]:
        for found in self.found_in(outcome):
            yield Verdict(code=self.code, severity=self.severity, source=self.source, **found._asdict())


def rule(severity: Severity, *, source: str) -> Callable[[FoundIn], Rule]:
    """Makes a rule of a function, whose name is the rule's code and whose docstring is its reason."""

    def make(function: FoundIn) -> Rule:
        return Rule(function.__name__, severity, source, function.__doc__ or "", function)

    return make
