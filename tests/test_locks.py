"""What is installed is what was tested: every version of a lock file is pinned, with hashes."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

PARTS = ["torch-cpu", "torch", "cuda", "engine", "window", "extras"]
PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;+]+)(?:\+cpu)?(?: ; [^\\]+)? \\")


def pins(text: str) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in PIN.findall(text)}


@pytest.mark.parametrize("part", PARTS)
def test_every_line_is_a_pin_or_a_hash(part: str, project: Path):
    _, *lines = (project / "locks" / f"{part}.txt").read_text(encoding="utf-8").splitlines()
    hashed = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
    for line in lines:
        assert PIN.fullmatch(line) or hashed.fullmatch(line)
    for line, after in pairwise([*lines, ""]):
        assert after.startswith("    ") == line.endswith("\\")


def test_locks_have_the_versions_of_the_constraints(project: Path):
    texts = [(project / "locks" / f"{part}.txt").read_text(encoding="utf-8") for part in PARTS]
    locked = pins("".join(texts))
    lines = (project / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wanted = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    for name, version in wanted.items():
        assert locked[canonicalize_name(name)] == version


def test_no_lock_file_is_there_twice_or_unread(project: Path):
    assert {path.stem for path in (project / "locks").iterdir()} == {*PARTS}
