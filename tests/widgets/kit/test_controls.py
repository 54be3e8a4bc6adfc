"""What is told of work, and for how long."""

import pytest

from napari_utile.errors import UserError
from napari_utile.events import RunFailed, RunStarted
from napari_utile.widgets.kit import telling
from napari_utile.widgets.kit.controls import State
from napari_utile.widgets.kit.engine_controls import EngineControls
from napari_utile.widgets.kit.subject import Subject

STARTED = RunStarted(job="train", device="cpu")


@pytest.fixture
def controls(qtbot, home):
    controls = EngineControls("Train", lambda: arguments)
    qtbot.addWidget(controls)
    controls.show()
    return controls


def arguments():
    yield
    return ["train", "--out", "OUT"]


def test_what_cannot_be_collected_starts_nothing(qtbot, press, errors):
    def refuse():
        raise UserError("Choose a model.")

    controls = EngineControls("Segment", refuse)
    qtbot.addWidget(controls)
    press(controls.button)
    assert errors == ["Choose a model."]
    assert controls.state is State.IDLE
    assert "Choose a model." in controls.messages.text()
    controls.set_problem("")  # a field was changed
    assert controls.messages.isHidden()


def test_what_a_run_says_stays_when_fields_are_changed(controls, script, press, qtbot, errors):
    script(STARTED, RunFailed(message="No room on the disk.", user=True))
    press(controls.button)
    qtbot.waitUntil(lambda: bool(errors))
    controls.set_problem("Choose a model.")
    controls.set_problem("")
    assert "No room on the disk." in controls.messages.text()


def test_what_is_told_of_a_run_names_its_layers_once_others_are_chosen(
    home, script, press, qtbot, errors
):
    chosen = Subject("em", "'em'")
    controls = EngineControls("Train", lambda: arguments, about=lambda: chosen)
    qtbot.addWidget(controls)
    script(STARTED, RunFailed(message="No room on the disk.", user=True))
    press(controls.button)
    qtbot.waitUntil(lambda: bool(errors))
    controls.set_problem("")
    assert "'em'" not in controls.messages.text()
    for other in (Subject("nuclei", "'nuclei'"), None):
        chosen = other
        controls.set_problem("")
        assert "On 'em', today" in controls.messages.text()
        assert "No room on the disk." in controls.messages.text()  # no error is lost
    chosen = Subject("em", "'renamed'")
    controls.set_problem("")
    assert "On 'em'" not in controls.messages.text()
    assert controls.messages.text().endswith("No room on the disk.</span>")


def test_a_failure_is_no_notification_too_while_the_panel_is_seen(
    controls, script, press, qtbot, monkeypatch
):
    shown = []
    monkeypatch.setattr(telling, "show_error", shown.append)
    script(STARTED, RunFailed(message="broken", user=True))
    for is_seen, expected in ((True, []), (False, ["broken"])):
        controls.setVisible(is_seen)
        controls.button.click()
        qtbot.waitUntil(lambda: controls.is_running)
        qtbot.waitUntil(lambda: not controls.is_running, timeout=20_000)
        assert "broken" in controls.messages.text() and shown == expected
