"""Defines the runs of an arm as one model, as clients ask for it and see it."""

from bakehouse.experiments.document import Name
from bakehouse.model import Model
from bakehouse.tasks.ensembles import Mean, Metrics


class EnsembleRequest(Model):
    """The runs of an arm to be used as one model."""

    arm: Name
    """The arm, as the experiment names it."""
    mean: Mean = "arithmetic"
    """How the probabilities of classes are averaged. `arithmetic`: their sum divided by the number of members.
    `geometric`: the root of their product, divided by its sum over the classes. Values, as in a regression, have the
    arithmetic mean."""


class Ensemble(Model):
    """The finished runs of an arm as one model, whose output is the mean of theirs."""

    name: str
    """The last part of its address, `/v1/experiments/{id}/ensembles/{name}`."""
    arm: str
    mean: Mean
    n: int
    """The number of members."""
    runs: tuple[str, ...]
    """The members, each with its best weights."""
    validation: Metrics
    """The metrics on the validation split. This is one value each, so there is no interval."""
    test: Metrics
    """The metrics on the test split."""
    members: dict[str, float]
    """The mean of the members' own metrics by name, to compare with."""
    sentence: str
    """The comparison in words."""
    created_at: str
    """The time at which it was measured."""


class Ensembles(Model):
    """The ensembles of an experiment."""

    data: tuple[Ensemble, ...]
