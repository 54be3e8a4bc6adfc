"""What fuzzing found stays mended; a few damaged inputs of each target are tried."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_utile.errors import UserError
from tests.fuzz.inside import CORPUS, all_seeds, fault_of, input_number, target_named

TARGETS = sorted(
    path.stem.removeprefix("target_") for path in CORPUS.parent.glob("target_*.py")
)
FOUND = sorted(path for path in CORPUS.rglob("*") if path.is_file())


def check(name: str, data: bytes, folder: Path) -> None:
    """Use an input as a user would; a sentence for the user is a good end."""
    folder.mkdir()
    try:
        target_named(name).check(data, folder)
    except UserError as error:
        if fault_of(str(error)):
            raise AssertionError(fault_of(str(error))) from error


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_is_opened_or_refused(path: Path, tmp_path: Path):
    assert path.stat().st_size <= 4096
    check(path.parent.name, path.read_bytes(), tmp_path / "input")


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_of_a_target_are_right(name: str, tmp_path: Path):
    target = target_named(name)
    for number, seed in enumerate(target.seeds()):
        (tmp_path / str(number)).mkdir()
        target.check(seed, tmp_path / str(number))


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_inputs_are_opened_or_refused(
    name: str, tmp_path_factory: pytest.TempPathFactory
):
    target = target_named(name)
    seeds = all_seeds(target)

    @settings(max_examples=12, deadline=None)
    @given(number=st.integers(0, 10**6))
    def damaged(number: int) -> None:
        data = input_number(target, seeds, number, seed=1)
        check(name, data, tmp_path_factory.mktemp("fuzz") / "input")

    damaged()
