import pytest

from napari_utile.folders.model import (
    DESCRIPTION,
    find_model,
    model_problem,
    models_of_runs,
    previous_model,
    read_card,
)
from tests.fixtures.window import write_card


@pytest.fixture
def run(tmp_path):
    """Return a run folder with a model of two channels."""
    (tmp_path / "runs" / "a" / "model").mkdir(parents=True)
    write_card(tmp_path / "runs" / "a" / "model", channels=2)
    return tmp_path / "runs" / "a"


def test_a_model_is_found_by_its_run_too(run):
    assert find_model(run) == find_model(run / "model") == run / "model"
    assert read_card(run).in_channels == 2


def test_after_a_crash_between_the_two_renames_the_older_model_is_found(run):
    (run / "model").rename(run / ".model.previous")
    assert previous_model(run / "model") == run / ".model.previous"
    for path in (run, run / "model"):
        assert find_model(path) == run / ".model.previous"
        assert not model_problem(path)
        assert read_card(path).in_channels == 2
    assert models_of_runs(run.parent) == [run / "model"]


def test_models_are_listed_latest_first(run):
    for name in ("b", "c"):
        (run.parent / name / "model").mkdir(parents=True)
    write_card(run.parent / "b" / "model", channels=1)
    assert [model.parent.name for model in models_of_runs(run.parent)] == ["b", "a"]
    assert models_of_runs(run / "nowhere") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "does not describe a model"),
        ("a: [", "is not YAML"),
        ("config: 3", "was not made by U-Tile"),
        ("config: {utile: {format: 99}}", "reads up to format"),
        ("config: {utile: {format: 1}}", "network: Field required"),
    ],
)
def test_a_damaged_card_is_said(run, text, problem):
    (run / "model" / DESCRIPTION).write_text(text)
    assert problem in model_problem(run)


def test_no_model_is_said(tmp_path):
    assert "Choose a model" in model_problem(None)
    assert "does not exist" in model_problem(tmp_path / "nowhere")
    assert "is no model" in model_problem(tmp_path)
