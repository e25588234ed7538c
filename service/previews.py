"""Shows what the augmentation of a recipe makes of training rows, and keeps what was drawn for a while."""

import hashlib
import json
import logging
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bakehouse.model import JsonObject
from bakehouse.plan.plan import Plan
from bakehouse.prepare import point_into_posted
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.runs.keys import Keys
from bakehouse.tasks.preview import KIND
from bakehouse.version import VERSION
from service.preparation import Preparation
from service.tasks import IsGone, Tasks

KEPT_SECONDS = 600
# A new preview replaces the one in its slot, so that all of them together take at most 32 MiB of Redis's memory.
SLOTS = 128
MAX_KEPT_BYTES = 256 << 10

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shown:
    """The result of the task, and the digest of all that it follows from."""

    result: bytes
    digest: str
    was_kept: bool


class Previews:
    """The previews of recipes."""

    def __init__(self, preparation: Preparation, tasks: Tasks, redis: Redis, tenant: str = "local") -> None:
        self._preparation = preparation
        self._tasks = tasks
        self._redis = redis
        self._keys = Keys(tenant)

    async def show(self, document: object, *, is_gone: IsGone) -> Shown:
        """Returns the preview of a posted recipe, by a task process unless it was drawn before. Raises RecipeInvalid
        and DatasetNotReady, and the errors of tasks."""
        plan = (await self._preparation.prepare(document)).plan
        digest = digest_of(plan)
        kept = await self._find(digest)
        if kept is not None:
            return Shown(kept, digest, was_kept=True)
        task: JsonObject = {"recipe": plan.recipe.canonical(), "fingerprint": plan.card.fingerprint}
        try:
            result = await self._tasks.run(KIND, task, is_gone=is_gone)
        except RecipeInvalid as error:
            raise RecipeInvalid(point_into_posted(document, problem) for problem in error.problems) from error
        await self._keep(digest, result)
        return Shown(result, digest, was_kept=False)

    async def _find(self, digest: str) -> bytes | None:
        kept = await self._redis.get(self._key(digest))
        # Another preview may be in the slot.
        if not isinstance(kept, bytes) or not kept.startswith(digest.encode()):
            return None
        return kept[len(digest) :]

    async def _keep(self, digest: str, result: bytes) -> None:
        if len(result) > MAX_KEPT_BYTES:
            return
        try:
            await self._redis.set(self._key(digest), digest.encode() + result, ex=KEPT_SECONDS)
        except RedisError as error:
            # The client gets what was drawn in any case.
            log.warning("a preview is not kept: %s", error)

    def _key(self, digest: str) -> str:
        return self._keys.kept_answer(int(digest[:8], 16) % SLOTS)


def digest_of(plan: Plan) -> str:
    """Returns the digest of all that a preview follows from: the data, and what is done to it before the model."""
    recipe = plan.recipe.canonical()
    parts = ("dataset", "augmentation", "seed", "batch_size", "objective", "pretraining")
    followed = {
        "version": VERSION,
        "fingerprint": plan.card.fingerprint,
        # The order of the numbers in memory decides which of them gets which noise.
        "has_maps": plan.has_maps,
        **{part: recipe[part] for part in parts},
    }
    return hashlib.sha256(json.dumps(followed, sort_keys=True).encode()).hexdigest()
