"""How much memory an image may take."""

import sys
from types import SimpleNamespace

import pytest

from napari_utile.errors import UserError
from napari_utile.io import memory
from napari_utile.io.memory import check_memory


def test_too_large_for_the_memory_says_size_budget_and_the_way_out(monkeypatch):
    monkeypatch.setattr(memory, "memory_budget", lambda: 1_000_000)
    check_memory(1_000_000, "cells")
    with pytest.raises(UserError, match=r"cells takes 1\.2 MB .* 1\.0 MB may .* OME-Zarr"):
        check_memory(1_230_000, "cells")


def test_half_of_what_is_free_may_be_taken(monkeypatch):
    free = SimpleNamespace(available=1001)
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: free)
    assert memory.memory_budget() == 500
    check_memory(500, "em.png")
    with pytest.raises(UserError, match=r"em\.png takes"):
        check_memory(501, "em.png")


@pytest.mark.parametrize(
    ("line", "kind", "limit", "current", "inactive"),
    [
        ("0::/job", "", "memory.max", "memory.current", "inactive_file"),
        (
            "4:memory:/job", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
            "total_inactive_file",
        ),
    ],
)  # fmt: skip
def test_the_limit_of_a_container_or_cluster_job_counts(
    tmp_path, monkeypatch, line, kind, limit, current, inactive
):
    group = tmp_path / kind / "job"
    group.mkdir(parents=True)
    (tmp_path / "own").write_text(f"9:cpu:/\n{line}\n")
    (group / limit).write_text("1000\n")
    (group / current).write_text("700\n")
    (group / "memory.stat").write_text(f"anon 5\n{inactive} 100\n")
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    monkeypatch.setattr(memory, "OWN_GROUPS", tmp_path / "own")
    assert memory.memory_budget() == (1000 - 700 + 100) // 2
    (group / limit).write_text("max\n")
    assert memory.memory_budget() > 10_000


@pytest.mark.skipif(sys.platform == "win32", reason="the limit is one of POSIX")
def test_the_limit_of_the_process_counts(monkeypatch):
    import resource

    used = memory.psutil.Process().memory_info().vms
    monkeypatch.setattr(resource, "getrlimit", lambda _: (used + 4_000_000, -1))
    assert memory.memory_budget() <= 2_000_000
