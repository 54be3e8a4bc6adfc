"""The form shows one settings class, and what it shows is what runs."""

import pytest
from pydantic_settings import CliApp, get_subcommand
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtGui import QHelpEvent
from qtpy.QtWidgets import QApplication, QDoubleSpinBox, QLabel, QLineEdit

from napari_utile.errors import UserError
from napari_utile.settings.arrays import WeightSettings
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.evaluation import EvaluateSettings
from napari_utile.settings.prediction import PredictSettings
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit.colors import Tone, color_of
from napari_utile.widgets.kit.form import Form
from napari_utile.widgets.process.command_line import flags


@pytest.fixture
def form(qtbot):
    form = Form(TrainSettings)
    qtbot.addWidget(form)
    return form


def test_shows_the_defaults_of_the_class(form):
    assert form.settings() == TrainSettings()
    assert form.widget("learning_rate").text() == "0.003"
    assert form.widget("minutes").placeholderText() == "off"


@pytest.mark.parametrize(
    ("typed", "other"), [({"minutes": 3.0}, "steps"), ({"steps": 9}, "minutes")]
)
def test_a_limit_that_is_typed_is_the_only_one(form, typed, other):
    ((name, value),) = typed.items()
    form.set_value(name, str(value))
    assert form.settings() == TrainSettings(**typed)
    assert form.widget(other).placeholderText() == "off"
    form.set_value(name, "")
    assert form.settings() == TrainSettings()


def test_every_option_has_its_description_as_tooltip(form):
    for name, info in TrainSettings.model_fields.items():
        assert form.widget(name).toolTip() == info.description


def test_a_wrong_value_is_red_with_the_reason_and_gives_no_settings(form):
    form.set_value("learning_rate", "-1")
    field = form.widget("learning_rate")
    assert color_of(Tone.ERROR) in field.styleSheet()
    assert "greater than 0" in field.toolTip()
    assert form.problem() == "learning rate must be greater than 0."
    with pytest.raises(UserError, match="learning rate"):
        form.settings()


def test_a_mended_value_is_no_longer_red(form):
    form.set_value("learning_rate", "much")
    form.set_value("learning_rate", "1e-4")
    assert form.widget("learning_rate").styleSheet() == ""
    assert form.settings().learning_rate == 1e-4


KINDS = (TrainSettings, CompareSettings, PredictSettings, EvaluateSettings, WeightSettings)


def test_a_decimal_comma_is_a_point_and_a_wrong_number_is_refused_in_plain_words(qtbot):
    typed = 0
    for kind in KINDS:
        form = Form(kind)
        qtbot.addWidget(form)
        for name, info in kind.model_fields.items():
            if not isinstance(form.widget(name), QLineEdit):
                continue
            if info.annotation in (float, float | None):
                typed += 1
                form.set_value(name, "0,75")
                assert getattr(form.settings(), name) == 0.75
            form.set_value(name, "many?")
            assert form.problem().startswith(kind.label(name)) or info.annotation is not float
            for jargon in ("Input", "valid ", "parse", "unable", "_"):
                assert jargon not in form.problem()
            form.show_settings(kind())
    assert typed > 12


@pytest.mark.parametrize(
    ("name", "typed", "told"),
    [
        ("minutes", "abc", "minutes must be a number, like 5 or 1.5."),
        ("steps", "1,5", "steps must be a whole number, like 5."),
        ("spacing", "40; 10; x", "voxel size: x must be a number, like 5 or 1.5."),
        (
            "border",
            "wide",
            "border between objects: 'wide' is no width; write it like 3, 30nm or auto.",
        ),
    ],
)
def test_a_wrong_number_is_told_with_an_example(form, name, typed, told):
    form.widget(name).setText(typed)
    assert form.problem() == told
    assert form.widget(name).toolTip() == told


def test_lengths_and_lists_take_a_decimal_comma(form):
    form.widget("border").setText("2,5 nm")
    form.widget("spacing").setText("4,5; 1; 1")
    assert form.settings() == TrainSettings(border="2.5 nm", spacing=(4.5, 1, 1))


def test_a_comma_typed_beside_a_slider_is_a_point(qtbot):
    form = Form(WeightSettings, {"sigma": (0.5, 30)})
    qtbot.addWidget(form)
    number = form.widget("sigma").findChild(QDoubleSpinBox)
    number.selectAll()
    qtbot.keyClicks(number, "1,5")
    qtbot.keyClick(number, Qt.Key.Key_Return)
    assert form.settings().sigma == 1.5


def test_the_paper_recipe_shows_its_values_and_leaves_the_rest(form):
    form.set_value("sigma", "7")
    form.set_value("recipe", "paper")
    assert form.settings() == TrainSettings(recipe="paper", sigma=7)
    assert form.widget("width").value() == 64
    form.set_value("recipe", "default")
    assert form.settings() == TrainSettings(sigma=7)


def test_a_network_of_volumes_shows_its_depth_and_batch_and_leaves_the_rest(form):
    form.set_value("width", 8)
    form.set_value("network", "unet-3d")
    assert form.settings() == TrainSettings(network="unet-3d", width=8)
    assert form.widget("depth").value() == 3
    form.set_value("network", "unet")
    assert form.settings() == TrainSettings(width=8)


def test_an_option_changed_after_the_recipe_wins_over_it(form):
    form.set_value("recipe", "paper")
    form.set_value("width", 8)
    assert form.settings() == TrainSettings(recipe="paper", width=8)


def test_no_budget_shows_the_steps_that_the_class_fills_in(form):
    form.set_value("steps", "")
    assert form.settings().steps == 2000
    assert form.widget("steps").placeholderText() == "2000"
    form.set_value("minutes", "3")
    assert form.settings().steps is None
    assert form.widget("steps").placeholderText() == "off"


def test_the_mouse_wheel_changes_nothing_in_passing(form, qtbot):
    from qtpy.QtCore import QPoint, QPointF, Qt
    from qtpy.QtGui import QWheelEvent
    from qtpy.QtWidgets import QApplication

    spin = form.widget("depth")
    no_button, no_key = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
    turn = QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(0, 0), QPoint(0, 120), no_button, no_key,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(spin, turn)
    assert spin.value() == 4


@pytest.mark.parametrize(
    "settings",
    [
        TrainSettings(),
        TrainSettings(minutes=5),
        TrainSettings(minutes=0.1, steps=2000),
        TrainSettings(recipe="paper"),
        TrainSettings(recipe="paper", width=16, norm="batch", dropout=0),
        TrainSettings(flips=False, sparse=True, ignore=255, learning_rate=1e-5, seed=3),
    ],
    ids=str,
)
def test_form_file_and_flags_give_the_same_bytes(form, settings, tmp_path):
    from napari_utile.cli.main import Utile

    form.show_settings(settings)
    (tmp_path / "settings.json").write_text(form.settings().text())
    read = TrainSettings.read(tmp_path / "settings.json")
    line = ["train", "image.tif", "labels.tif", "--out", "run", *flags(read), "--events"]
    command = get_subcommand(CliApp.run(Utile, cli_args=line))
    assert command.options().text() == settings.text()


def test_flags_are_only_what_differs():
    assert flags(PredictSettings()) == []
    assert flags(TrainSettings(recipe="paper", sigma=3)) == [
        "--recipe",
        "paper",
        "--sigma",
        "3.0",
    ]
    assert flags(PredictSettings(averaging=True, tile=512)) == ["--tile", "512", "--averaging"]


def test_words_are_offered_in_place_of_numbers(form):
    choice = form.widget("context")
    assert [choice.itemText(i) for i in range(choice.count())] == ["1", "3", "5"]
    assert choice.currentText() == "1"
    assert "slices seen" in [label.text() for label in form.findChildren(QLabel)]
    choice.setCurrentText("5")
    assert form.settings() == TrainSettings(context=2)
    form.show_settings(TrainSettings(context=1))
    assert choice.currentText() == "3"
    assert flags(form.settings()) == ["--context", "1"]


def test_the_name_of_a_row_has_the_tooltip_that_its_field_has(form):
    editor = form.widget("w0")
    (name,) = (part for part in form.findChildren(QLabel) if part.buddy() is editor)
    assert name.text() == "border weight (w0)"
    for value in ("2", "-1"):  # right, and wrong
        form.set_value("w0", value)
        QApplication.sendEvent(name, QHelpEvent(QEvent.Type.ToolTip, QPoint(), QPoint()))
        assert name.toolTip() == editor.toolTip() != ""
