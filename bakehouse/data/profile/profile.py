"""Profiles a data set when it is packed: measures its channels, and finds what may mislead those who train on it."""

from collections.abc import Iterator
from typing import assert_never

from bakehouse.data.parsed import Samples, Table
from bakehouse.data.profile.channels import channel_findings, measure_channels
from bakehouse.data.profile.class_findings import class_findings
from bakehouse.data.profile.column_findings import gap_findings, input_findings, left_out_findings, spelling_findings
from bakehouse.data.profile.equal_rows import equal_row_findings
from bakehouse.data.profile.giveaways import giveaways
from bakehouse.data.profile.inputs import list_inputs
from bakehouse.data.profile.picture_findings import picture_findings
from bakehouse.data.profile.rows import examined_rows
from bakehouse.data.profile.target import Labels, fixed_labels, proposed_labels
from bakehouse.plan.card import DatasetCard, Finding

SEVERITIES = ("error", "warning", "info")


def with_profile(card: DatasetCard, contents: Samples | Table) -> DatasetCard:
    """Returns the card with the ranges of the channels and with the findings, the gravest first."""
    if isinstance(contents, Samples):
        card = card.model_copy(update={"channels": measure_channels(contents)})
    findings = sorted(find_all(card, contents), key=lambda finding: SEVERITIES.index(finding.severity))
    return card.model_copy(update={"findings": tuple(findings)})


def find_all(card: DatasetCard, contents: Samples | Table) -> Iterator[Finding]:
    """Yields everything that the profile finds."""
    labels: Labels | None
    match contents:
        case Samples():
            labels = fixed_labels(contents, card)
            target = None
            yield from picture_findings(card, contents)
            yield from channel_findings(contents.kind, card.channels)
        case Table(columns=columns):
            labels = proposed_labels(contents, card)
            target = None if labels is None else labels.column
            yield from gap_findings(columns, target, card.counts.train)
            yield from left_out_findings(columns, target)
            yield from spelling_findings(columns)
        case _:
            assert_never(contents)
    inputs = list_inputs(contents, target)
    rows = examined_rows(card.counts.train, len(inputs))
    yield from input_findings(contents, inputs, rows, card.counts.train)
    # Of a table without a target, no column is an input.
    if isinstance(contents, Samples) or labels is not None:
        yield from equal_row_findings(contents, labels)
    if labels is not None:
        yield from class_findings(labels)
        yield from giveaways(contents, inputs, labels, rows)
