"""Texts for clients name no path outside the home, and no password."""

from pathlib import Path

import pytest

from bakehouse.redaction import redact

HOME = Path("/srv/bakehouse home")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('File "/opt/venv/lib/torch/nn.py", line 3, in f', 'File "nn.py", line 3, in f'),
        ("No such file: '/home/jane doe/rows.csv'", "No such file: 'rows.csv'"),
        ("cannot open /etc/passwd.", "cannot open passwd."),
        ("PATH=/usr/bin:/usr/local/bin", "PATH=bin:bin"),
        ("gcc -I/usr/include/python3 -L/usr/lib", "gcc -Ipython3 -Llib"),
        ("file:///etc/hosts unix:///run/redis.sock", "file://hosts unix://redis.sock"),
        ("host:/export/rows (/data/x.csv) [/data/y.csv]", "host:rows (x.csv) [y.csv]"),
        ("//double/slash /folder/ /", "slash folder /"),
        ("redis://:secret@redis:6379/0", "redis://redis:6379/0"),
        ("https://TOKEN@host/x redis://:p@ss@redis:6379/0", "https://host/x redis://redis:6379/0"),
        ("and/or 1/2 ~/rows.csv http://127.0.0.1:8000/v1/runs", "and/or 1/2 ~/rows.csv http://127.0.0.1:8000/v1/runs"),
        ("'/srv/bakehouse home/artifacts/x'", "'/srv/bakehouse home/artifacts/x'"),
        ("'/srv/bakehouse home/../other/x'", "'x'"),
        ("'/srv/bakehouse home of others/x'", "'x'"),
    ],
)
def test_a_path_outside_the_home_is_shortened_to_its_last_part(text: str, expected: str) -> None:
    assert redact(text, HOME) == expected


def test_a_home_that_is_a_link_is_known_by_both_names(tmp_path: Path) -> None:
    (tmp_path / "home").symlink_to(tmp_path)
    text = f"{tmp_path}/home/x and {tmp_path}/y"
    assert redact(text, tmp_path / "home") == text
