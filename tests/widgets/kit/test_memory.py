"""What is remembered outlives a restart, a second napari, and a damaged file."""

import os
from pathlib import Path

import pytest

from napari_utile.widgets.kit.memory import MOST_PROJECTS, remember, remembered


@pytest.fixture
def file():
    return Path(os.environ["XDG_CONFIG_HOME"], "napari-utile", "window.json")


def test_each_project_has_its_own_values():
    assert remembered("train") is None
    remember("train", {"steps": 9})
    remember("train", {"steps": 5}, "/data/em")
    remember("tab", 2, "/data/em")
    assert remembered("train") == {"steps": 9}
    assert remembered("train", "/data/em") == {"steps": 5}
    assert (remembered("tab", "/data/em"), remembered("tab")) == (2, None)
    remember("train", {}, "/data/em")
    assert remembered("train", "/data/em") is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 99, "projects": {"": {"tab": 3}}}',
                '{"version": 1, "projects": 5}', '{"version": 1, "projects": {"": 5}}'],
)  # fmt: skip
def test_a_damaged_file_holds_nothing_and_is_replaced(file, content):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    assert remembered("tab") is None
    remember("tab", 1)
    assert remembered("tab") == 1


def test_a_folder_that_cannot_be_written_to_is_no_error(file):
    file.parent.parent.mkdir(parents=True, exist_ok=True)
    file.parent.write_text("a file where the folder should be")
    remember("tab", 1)
    assert remembered("tab") is None
    file.parent.unlink()


def test_the_project_that_was_used_least_recently_goes(monkeypatch):
    from napari_utile.widgets.kit import memory

    assert MOST_PROJECTS > 20
    monkeypatch.setattr(memory, "MOST_PROJECTS", 2)
    for project in ("a", "b", "a", "c"):
        remember("tab", 1, project)
    assert [remembered("tab", project) for project in "abc"] == [1, None, 1]
