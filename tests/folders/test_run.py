"""The folder of a run: held, recorded, resumed, and never somebody else's."""

import os
import shutil
from pathlib import Path

import pytest

from napari_utile.errors import UserError
from napari_utile.events import RunDone, Warned
from napari_utile.folders.run import Run
from napari_utile.settings.prediction import PredictSettings
from napari_utile.settings.training import TrainSettings
from tests.fixtures.new_run import new_run

OLD = Path(__file__).parents[1] / "old"


def test_a_run_keeps_its_settings_and_events(tmp_path):
    settings = TrainSettings(steps=7)
    with new_run(tmp_path / "deep" / "run", settings) as run:
        run.record(Warned(message="ü"))
        run.record(Warned(message="b"))
    again = Run(run.folder)
    assert TrainSettings.read(again.settings) == settings
    assert again.recorded() == [Warned(message="ü"), Warned(message="b")]
    assert again.previews.is_dir()


def test_an_event_that_was_cut_off_is_left_out(tmp_path):
    with new_run(tmp_path / "run", TrainSettings()) as run:
        run.record(Warned(message="a"))
    with run.events.open("a") as file:
        file.write('{"event": "War')
    assert Run(run.folder).recorded() == [Warned(message="a")]


def test_lines_that_cannot_be_read_are_counted(tmp_path):
    with new_run(tmp_path / "run", TrainSettings()) as run:
        for message in "abcd":
            run.record(Warned(message=message))
    whole = run.events.read_bytes()
    assert run.record_on_disk().doubt == ""
    run.events.write_bytes(whole.replace(b'"b"', b'"b').replace(b'"c"', b"3") + b'{"ev')
    found = run.record_on_disk()
    assert found.events == [Warned(message="a"), Warned(message="d")]
    assert found.doubt.startswith(f"2 of 4 lines of {run.events} could not be read")


def test_the_model_of_another_run_is_refused(tmp_path):
    own, other = OLD / "run_finished", OLD / "run_stopped"
    run = Run(tmp_path / "run")
    shutil.copytree(own, run.folder)
    run.check_model()
    shutil.copy(other / "model" / "bioimageio.yaml", run.model)
    with pytest.raises(
        UserError, match=r"is of another run: .* score iou is 0\.\d{4}, and that"
    ):
        run.check_model()
    run.events.write_bytes(run.events.read_bytes() + b"lost\n")  # perhaps the best epoch
    run.check_model()


def test_a_run_that_never_got_a_model_starts_anew(tmp_path):
    with new_run(tmp_path / "run", TrainSettings()) as run:
        run.record(Warned(message="a"))
    with new_run(tmp_path / "run", TrainSettings(steps=3)) as run:
        assert run.recorded() == []
        assert TrainSettings.read(run.settings).steps == 3


def test_a_run_is_held_until_it_is_closed(tmp_path):
    with (
        new_run(tmp_path / "run", TrainSettings()),
        pytest.raises(UserError, match=f"in use by process {os.getpid()} on"),
    ):
        new_run(tmp_path / "run", TrainSettings())
    new_run(tmp_path / "run", TrainSettings()).close()


def test_a_folder_with_the_settings_of_another_program_is_not_touched(tmp_path):
    (tmp_path / "settings.json").write_text('{"editor.fontSize": 12}')
    (tmp_path / "previews").mkdir()
    with pytest.raises(UserError, match=r"not a run folder: its settings\.json is damaged"):
        new_run(tmp_path, TrainSettings())
    assert (tmp_path / "previews").exists()
    assert "fontSize" in (tmp_path / "settings.json").read_text()


def test_holding_a_folder_changes_nothing_in_it(tmp_path):
    with new_run(tmp_path / "run", TrainSettings(steps=3)) as run:
        run.record(Warned(message="a"))
        run.model.mkdir()
    with Run.hold(tmp_path / "run", TrainSettings) as run:
        assert run.recorded() == [Warned(message="a")]
        assert TrainSettings.read(run.settings).steps == 3
        assert run.model.exists()


def test_a_folder_of_another_kind_of_run_is_not_held(tmp_path):
    new_run(tmp_path / "run", PredictSettings()).close()
    with pytest.raises(UserError, match="not a run folder"):
        Run.hold(tmp_path / "run", TrainSettings)


@pytest.mark.parametrize(
    ("events", "finished"),
    [
        ([], False),
        ([Warned(message="a")], False),
        ([Warned(message="a"), RunDone(seconds=1)], True),
        ([RunDone(seconds=1)], True),
        ([RunDone(seconds=1, stopped=True)], False),
        ([RunDone(seconds=1), Warned(message="a")], False),
    ],
)
def test_a_run_is_finished_if_its_last_event_says_so(tmp_path, events, finished):
    with new_run(tmp_path / "run", TrainSettings()) as run:
        for event in events:
            run.record(event)
        assert run.is_finished == finished
        with run.events.open("a") as file:
            file.write('{"event": "Run')
        assert not (run.is_finished and not finished)


def test_a_record_is_cut_back_to_a_length(tmp_path):
    with new_run(tmp_path / "run", TrainSettings()) as run:
        assert run.length() == 0
        run.record(Warned(message="a"))
        length = run.length()
        run.record(Warned(message="b"))
        run.cut_back(length)
        assert run.recorded() == [Warned(message="a")]
        run.cut_back(10**6)  # a power loss may have cost the last lines
        assert run.length() == length


def test_settings_are_written_before_anything_else(tmp_path, monkeypatch):
    """A process killed between the two leaves a folder that the next one takes."""
    monkeypatch.setattr(Path, "mkdir", fail_for("previews", Path.mkdir))
    with pytest.raises(OSError, match="killed"):
        new_run(tmp_path / "run", TrainSettings())
    monkeypatch.undo()
    new_run(tmp_path / "run", TrainSettings()).close()


def fail_for(name, function):
    def fail(self, *given, **options):
        if self.name == name:
            raise OSError("killed")
        return function(self, *given, **options)

    return fail


def test_the_only_whole_model_is_not_swept_away(tmp_path):
    """As left by a process killed while it put a new model in place of the old one."""
    with new_run(tmp_path / "run", TrainSettings()) as run:
        (run.folder / ".model.previous").mkdir()
        (run.folder / ".model.abc").mkdir()
    with Run.hold(tmp_path / "run", TrainSettings):
        assert (run.folder / ".model.previous").exists()
        assert not (run.folder / ".model.abc").exists()
