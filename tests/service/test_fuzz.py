"""Generated requests: everything that the OpenAPI document allows, and much that it does not.

`BAKEHOUSE_FUZZ_CASES` is the least number of requests, by default a thousand.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx

CASES = int(os.environ.get("BAKEHOUSE_FUZZ_CASES", "1000"))
# The schema alone makes some 4,200 requests, and each example of every operation about 16 more.
EXAMPLES = max(7, (CASES - 4_000) // 15)
# The schema cannot say which recipes make sense together, nor that two parameters exclude each other: 422 is right.
CONFIGURATION = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", "404", "409", "412", "416", "422"]
"""


def test_every_response_is_as_the_openapi_document_describes_it(
    api: httpx.Client, task_process: int, tmp_path: Path
) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    # Streams do not end; tests/service/test_events.py tests them.
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{api.base_url}/openapi.json",
        "--phases", "coverage,fuzzing,stateful", "--checks", "all", "--seed", "1",
        "--max-examples", str(EXAMPLES),
        "--exclude-path-regex", "events$", "--generation-database", "none", "--request-timeout", "20", "--no-color",
    ]  # fmt: skip
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-5000:]
    generated = re.search(r"(\d+) generated", ended.stdout)
    assert generated is not None
    assert int(generated[1]) >= CASES
