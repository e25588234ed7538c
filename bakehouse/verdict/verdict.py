"""Defines the verdict on a run that is over."""

from bakehouse.model import Model
from bakehouse.recipe.patch import PatchStep, Severity


class Verdict(Model):
    """A finding about how a run went, once it is over."""

    code: str
    """A name that programs can compare; `docs/words.md` lists all of them."""
    severity: Severity
    """`error`: the weights are of no use; `warning`: another recipe is likely to do better; `info`: nothing is
    wrong."""
    message: str
    """What happened and what to try, with this run's numbers, as human-readable text."""
    source: str
    """The paper or rule of statistics that supports the finding."""
    patch: tuple[PatchStep, ...] = ()
    """JSON Patch for the canonical recipe: the change to try. Empty if there is none."""
