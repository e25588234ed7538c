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
from bakehouse.runs.local_runs import LocalRuns
from bakehouse.runs.record import Record
from bakehouse.settings import Settings
from worker.attempt.checkpoint_writer import Candidate, CheckpointWriter
from worker.attempt.record_writer import RecordWriter
from worker.attempt.resume import resume
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
    folder = catalog.sized_folder(recipe.dataset.id, plan.picture_size, wait_seconds=PACKING_SECONDS)
    device = open_device(storage.settings)
    weights = {sha256: source.weights for sha256, source in sources.items()}
    training = Training(plan, load_data(plan, folder, device), device, weights)
    environment = describe_environment(plan, device, storage.settings)
    resume(training, environment, record, record_writer, storage.artifacts)
    checkpoint_writer = CheckpointWriter(plan, record.id, storage.artifacts, record_writer)
    # Redis may have forgotten that newer weights had replaced these, whose file is then deleted.
    offer_best(training, record, checkpoint_writer)
    return AttemptSetup(
        plan,
        device,
        training,
        checkpoint_writer,
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


def offer_best(training: Training, record: Record, checkpoint_writer: CheckpointWriter) -> None:
    """Offers the restored best weights for another write, which does nothing if their file is as the record says."""
    for checkpoint in record.checkpoints:
        if "best" in checkpoint.roles and checkpoint.epoch == training.stopper.best_epoch and training.best_weights:
            checkpoint_writer.offer(Candidate(checkpoint.epoch, checkpoint.metrics, training.best_weights))
