"""Sends an ensemble as one folder in a zip file: the weights of its members, a manifest, and a script that predicts
with their mean and computes the recorded test metrics again."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO
from zipfile import ZipFile, ZipInfo

from starlette.concurrency import run_in_threadpool

from bakehouse.evaluation_files import (
    ROWS_FILE,
    NothingToEvaluate,
    data_path,
    is_unpacked,
    reads_rows_from_file,
    refuse_several_files,
    where_data_are,
)
from bakehouse.experiments.ensemble import Ensemble
from bakehouse.experiments.errors import NoEnsemble
from bakehouse.plan.ensemble_script import UNITS_IN, ensemble_code
from bakehouse.plan.evaluation_script import Evaluation
from bakehouse.plan.plan import Plan
from bakehouse.runs.artifacts import WEIGHTS, storage_errors
from bakehouse.runs.split import ROW_NUMBER
from bakehouse.version import VERSION
from service.dependencies import Services
from service.ensembles import Member, find_ensemble, find_member, plan_of
from service.errors import SplitUnknown
from service.routes.checkpoints import refuse_damaged
from service.split import split_as_json, split_as_npz
from service.zip_stream import BLOCK_BYTES, Written

SCRIPT = "ensemble.py"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Folder:
    """The files of a folder: small ones, and the weights of each member, which are open."""

    name: str
    texts: Mapping[str, bytes]
    weights: Mapping[str, BinaryIO]


async def open_folder(services: Services, experiment_id: str, name: str) -> Folder:
    """Opens all files of an ensemble, and verifies the weights. Raises EnsembleNotFound, NoEnsemble and
    CheckpointDamaged."""
    members, folder = await run_in_threadpool(make_folder, services, experiment_id, name)
    for member, file in zip(members, folder.weights.values(), strict=True):
        await refuse_damaged(services.digests, file, member.run.id, member.checkpoint)
    return folder


def make_folder(services: Services, experiment_id: str, name: str) -> tuple[list[Member], Folder]:
    ensemble = find_ensemble(services.experiments.record(experiment_id), name)
    members = [find_member(services, run_id) for run_id in ensemble.runs]
    plan = plan_of(services, members[0].run)
    texts = {MANIFEST: manifest_of(experiment_id, ensemble, members), **script_files(services, ensemble, members, plan)}
    weights = {file_of(member): open_weights(services, member) for member in members}
    return members, Folder(f"{experiment_id}-{ensemble.name}", texts, weights)


def file_of(member: Member) -> str:
    return f"{member.run.id}/{WEIGHTS}"


@storage_errors()
def open_weights(services: Services, member: Member) -> BinaryIO:
    path = services.artifacts.checkpoint_path(member.run.id, member.checkpoint.sha256)
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError as error:
        raise NoEnsemble(
            f"The weights of {member.run.id} are missing. Restore them from a backup, or retry the run."
        ) from error


def manifest_of(experiment_id: str, ensemble: Ensemble, members: list[Member]) -> bytes:
    """Returns what the folder holds, as JSON."""
    listed = [
        {
            "run": member.run.id,
            "seed": member.run.recipe.seed,
            "epoch": member.checkpoint.epoch,
            "file": file_of(member),
            "sha256": member.checkpoint.sha256,
            "bytes": member.checkpoint.bytes,
        }
        for member in members
    ]
    document = {
        "experiment": experiment_id,
        "ensemble": ensemble.model_dump(mode="json"),
        "recipe": members[0].run.recipe.canonical(),
        "members": listed,
        "bakehouse": VERSION,
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def script_files(services: Services, ensemble: Ensemble, members: list[Member], plan: Plan) -> dict[str, bytes]:
    """Returns the script, and the rows of the test split if they are too many to list them in the script."""
    files = [file_of(member) for member in members]
    beginning = f"""The {ensemble.mean} mean of {ensemble.n} models as one, in plain PyTorch: `model` predicts with it.
It needs torch, numpy and safetensors, but not Bakehouse."""
    try:
        evaluation = evaluation_of(services, ensemble, members[0], plan)
    except (NothingToEvaluate, SplitUnknown) as error:
        note = f"{beginning}\nIt does not compute the test metrics again: {error}"
        return {SCRIPT: ensemble_code(plan, files, ensemble.mean, None, note=note).encode()}
    note = f"""{beginning} It computes the recorded test metrics again.
{where_data_are(plan.card)} In this folder:
  python {SCRIPT} {shlex.quote(evaluation.file)}"""
    script = ensemble_code(plan, files, ensemble.mean, evaluation, note=note).encode()
    rows = {ROWS_FILE: split_as_npz(members[0].run, services.catalog)} if evaluation.rows == ROWS_FILE else {}
    return {SCRIPT: script, **rows}


def evaluation_of(services: Services, ensemble: Ensemble, member: Member, plan: Plan) -> Evaluation:
    """Returns what the script needs to measure the ensemble. Raises NothingToEvaluate if it cannot read the data, and
    SplitUnknown."""
    refuse_several_files(plan.card, ())
    is_large = reads_rows_from_file(plan)
    test = None if is_large else split_as_json(member.run, services.catalog).test
    pictures = [] if test is None else list(zip(test.paths or (), test.labels or (), strict=True))
    refuse_several_files(plan.card, pictures)
    return Evaluation(
        file=data_path(plan),
        is_unpacked=is_unpacked(plan.card),
        rows=ROWS_FILE if test is None else test.rows,
        pictures=pictures,
        row_number=ROW_NUMBER[plan.card.format],
        recorded={name: value for name, value in ensemble.test.items() if value is not None},
        # Tasks compute with one thread.
        threads=1,
        units_in=UNITS_IN,
    )


def zip_parts(folder: Folder) -> Iterator[bytes]:
    """Yields the parts of a zip file with the folder. Weights cannot be compressed, so nothing is. Equal folders give
    equal files, because no times are in them."""
    written = Written()
    with ZipFile(written, "w") as archive:
        for name, text in folder.texts.items():
            archive.writestr(ZipInfo(f"{folder.name}/{name}"), text)
        for name, file in folder.weights.items():
            with file, archive.open(ZipInfo(f"{folder.name}/{name}"), "w", force_zip64=True) as target:
                while block := file.read(BLOCK_BYTES):
                    target.write(block)
                    yield written.take()
    yield written.take()
