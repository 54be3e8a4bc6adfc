"""Editors of single options."""

import pytest
from qtpy.QtWidgets import QComboBox

from napari_utile.settings.options import NETWORK_NAMES
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit.fields import (
    SuggestedChoice,
    TickList,
    field_of,
    offer,
    value_text,
)


def test_the_list_of_networks_is_as_high_as_its_lines(qtbot):
    ticks = TickList(NETWORK_NAMES)
    qtbot.addWidget(ticks)
    ticks.show()
    last = ticks.visualItemRect(ticks.item(ticks.count() - 1))
    assert last.height() == 20
    assert 0 <= ticks.viewport().height() - last.bottom() < last.height()


@pytest.mark.parametrize(
    ("name", "value"),
    [("network", "segnet"), ("sparse", True), ("seed", 7), ("learning_rate", "0.0001")],
)
def test_every_kind_of_option_is_read_as_it_was_written(qtbot, name, value):
    field = field_of(TrainSettings.model_fields[name])
    qtbot.addWidget(field.editor)
    edits = []
    field.on_edit(lambda: edits.append(name))
    field.write(value)
    assert field.read() == value
    assert edits and field.help == TrainSettings.model_fields[name].description


def test_an_option_that_may_be_off_is_empty(qtbot):
    field = field_of(TrainSettings.model_fields["ignore"])
    qtbot.addWidget(field.editor)
    for written, read in ((255, "255"), (None, None), ("off", None)):
        field.write(written)
        assert field.read() == read
    assert (value_text(5.0), value_text(None), value_text(0.5)) == ("5", "", "0.5")


def test_entries_that_stay_keep_their_ticks(qtbot):
    ticks = TickList(["a", "b", "c"])
    qtbot.addWidget(ticks)
    ticks.tick(["b", "c"])
    ticks.offer({"c": "C", "d": "D", "b": "B"})
    assert ticks.ticked() == ["c", "b"]


def test_the_chosen_entry_stays_chosen_and_nobody_hears_of_it(qtbot):
    choice = QComboBox()
    qtbot.addWidget(choice)
    offer(choice, {1: "one", 2: "two"})
    choice.setCurrentIndex(1)
    heard = []
    choice.currentIndexChanged.connect(heard.append)
    offer(choice, {3: "three", 1: "one", 2: "two"})
    assert (choice.currentData(), heard) == (2, [])
    offer(choice, {3: "three"})
    assert choice.currentData() == 3


def test_an_entry_is_suggested_until_the_user_chooses_one(qtbot):
    choice = SuggestedChoice()
    qtbot.addWidget(choice)
    offer(choice, {1: "one", 2: "two", 3: "three"})
    choice.suggest(1)
    assert (choice.currentText(), choice.chosen()) == ("two", "")
    choice.activated.emit(1)  # the user takes what is shown
    choice.suggest(0)
    assert choice.chosen() == "two"
    choice.choose("")
    choice.suggest(2)
    assert (choice.currentText(), choice.chosen()) == ("three", "")
    choice.setCurrentIndex(0)
    assert choice.chosen() == "one"
