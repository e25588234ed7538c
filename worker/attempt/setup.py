"""Prepares an attempt for its first step: plan, device, data and model, restored from a resume state if there is
one."""

from dataclasses import dataclass

import torch

from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetChanged
from bakehouse.data.packed_folders import read_card
from bakehouse.model import JsonObject
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import MarkRestarted
from bakehouse.runs.local_runs import LocalRuns
from bakehouse.runs.record import Record
from bakehouse.settings import Settings
from worker.attempt.checkpoint_writer import CheckpointWriter
from worker.attempt.record_writer import RecordWriter
from worker.attempt.snapshot import read_environment, restore
from worker.attempt.sources import read_sources
from worker.data.dataset import load_data
from worker.device import device_class, open_device, threads, versions
from worker.training.training import Training

PACKING_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class RunStorage:
    """The settings and the folders that an attempt reads its data from and writes its files to."""

    settings: Settings
    artifacts: Artifacts
    local_runs: LocalRuns | None = None
    """The folders of other runs; null if their files are among `artifacts`."""

    def artifacts_of(self, run_id: str) -> Artifacts:
        """Returns the files of a run that this run builds on."""
        return self.artifacts if self.local_runs is None else self.local_runs.artifacts(run_id)


@dataclass(frozen=True, slots=True)
class AttemptSetup:
    """A training that is ready for its next step, with facts about the run from its earlier attempts."""

    plan: Plan
    device: torch.device
    training: Training
    checkpoint_writer: CheckpointWriter
    environment: JsonObject
    """The data, device, versions and number of threads. If they are the same, results are bit-identical."""
    logged_step: int
    """The last step that earlier attempts have logged."""
    seconds_before: float
    """Time in seconds that earlier attempts have trained."""


def set_up(record_writer: RecordWriter, storage: RunStorage) -> AttemptSetup:
    """Plans the run, opens the device, loads data and model, and restores the newest state of an earlier attempt."""
    record = record_writer.record_store.record
    recipe = record.recipe
    catalog = Catalog(storage.settings)
    folder = catalog.folder(recipe.dataset.id, wait_seconds=PACKING_SECONDS)
    card = read_card(folder)
    # A recipe names its data set by id, whose content may have changed since the record noted its fingerprint.
    if record.dataset_fingerprint not in (None, card.fingerprint):
        raise DatasetChanged(recipe.dataset.id)
    sources = read_sources(recipe, catalog, storage.artifacts_of, wait_seconds=PACKING_SECONDS)
    plan = make_plan(recipe, card, {sha256: source.plan for sha256, source in sources.items()})
    device = open_device(storage.settings)
    weights = {sha256: source.weights for sha256, source in sources.items()}
    training = Training(plan, load_data(plan, folder, device), device, weights)
    environment = describe_environment(plan, device, storage.settings)
    resume(training, environment, record, record_writer, storage.artifacts)
    return AttemptSetup(
        plan,
        device,
        training,
        CheckpointWriter(plan, record.id, storage.artifacts, record_writer),
        environment,
        # Not every step is logged, so the progress may be ahead of the last logged step.
        logged_step=max(record.logged_step, record.progress.step),
        seconds_before=record.seconds,
    )


def describe_environment(plan: Plan, device: torch.device, settings: Settings) -> JsonObject:
    """Returns the facts besides the recipe on which the exact results depend, by their field names in `Provenance`."""
    return {
        "dataset_fingerprint": plan.card.fingerprint,
        "device": device_class(device),
        "threads": threads(settings),
        "versions": versions(device),
    }


def resume(
    training: Training,
    environment: JsonObject,
    record: Record,
    record_writer: RecordWriter,
    artifacts: Artifacts,
) -> None:
    """Restores the newest undamaged resume state; logs this, and any resume states that are damaged or lost."""
    # A process that crashed while it wrote a state has left a half-written folder.
    artifacts.sweep(record.id)
    found = artifacts.newest_resume(record.id)
    for rejected in found.rejected:
        record_writer.note("checkpoint_rejected", f"The resume state {rejected.name} is damaged: {rejected.reason}")
    if found.state is None:
        if record.resume_step >= 0:
            restart(record.resume_step, record_writer)
        return
    earlier = read_environment(found.state.files)
    # Old records have no fingerprint, so the one that the state was made with is compared too.
    if earlier["dataset_fingerprint"] != environment["dataset_fingerprint"]:
        raise DatasetChanged(training.plan.card.id)
    restore(training, found.state.files)
    is_older = found.state.step < record.resume_step
    lost = f" The resume state of step {record.resume_step} cannot be read." if is_older else ""
    record_writer.note("resumed", f"The run resumes after step {training.step}.{lost}")
    if earlier != environment:
        message = "The device, a version or the thread count has changed: results may no longer be bit-identical."
        record_writer.mark_inexact(message)


def restart(lost_step: int, record_writer: RecordWriter) -> None:
    """Marks the run as started over at step 0, in its record and its log."""
    record_writer.send(MarkRestarted(record_writer.nonce))
    message = f"The resume state of step {lost_step} cannot be read: the run starts over at step 0."
    record_writer.note("restarted", message, {"step": lost_step})
