"""Generated requests: everything that the OpenAPI document allows, and much that it does not."""

import subprocess
import sys
from pathlib import Path

import httpx

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,response_headers_conformance"
)


def test_every_response_is_as_the_openapi_document_describes_it(api: httpx.Client, tmp_path: Path) -> None:
    # Streams do not end; tests/service/test_events.py tests them.
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{api.base_url}/openapi.json",
        "--phases", "coverage,fuzzing", "--checks", CHECKS, "--max-examples", "5", "--seed", "1",
        "--exclude-path-regex", "events$", "--generation-database", "none", "--request-timeout", "5", "--no-color",
    ]  # fmt: skip
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=400)
    assert ended.returncode == 0, ended.stdout[-5000:]
