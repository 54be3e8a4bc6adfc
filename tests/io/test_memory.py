"""How much memory an image may take."""

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
