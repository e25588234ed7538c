"""A bare RQ worker to compare with: it forks from a process that has imported torch and trained a step, and its job
trains one step and notes the time.

`python bench/baseline_rq.py REDIS_URL`
"""

import sys
import time

import torch
from redis import Redis
from rq import Queue, Worker
from rq.serializers import JSONSerializer

QUEUE = "bare"
TIMES = "bare:times"


def train_step() -> None:
    """Trains a small model for one step."""
    model = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    optimizer = torch.optim.Adam(model.parameters())
    loss = torch.nn.functional.cross_entropy(model(torch.randn(64, 64)), torch.randint(10, (64,)))
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def job(redis_url: str) -> None:
    """Trains a step in the worker's child, then notes the time."""
    train_step()
    with Redis.from_url(redis_url) as redis:
        redis.rpush(TIMES, time.time())


def main(redis_url: str) -> None:
    """Works until it is ended."""
    # The children hang if more than one thread of torch ran before the fork.
    torch.set_num_threads(1)
    train_step()
    with Redis.from_url(redis_url) as redis:
        queue = Queue(QUEUE, connection=redis, serializer=JSONSerializer)
        Worker([queue], connection=redis, serializer=JSONSerializer).work(logging_level="ERROR")


if __name__ == "__main__":
    main(sys.argv[1])
