"""The table of pairs: ticks, and which images validate."""

import pytest

from napari_utile.widgets.train.pair_table import PairRow, PairTable


@pytest.fixture
def table(qtbot):
    table = PairTable()
    qtbot.addWidget(table)
    table.show_rows([PairRow(name, f"{name}.tif", f"{name}_mask.tif") for name in "abcdef"])
    return table


def parts(table):
    return [table.cellWidget(row, 2).currentText() for row in range(table.rowCount())]


def test_the_engine_chooses_until_an_image_is_given_a_part(table):
    assert (parts(table), table.validation) == (["automatic"] * 6, ())
    table.cellWidget(1, 2).setCurrentText("validation")
    assert table.validation == ("b",)
    assert parts(table) == ["training", "validation", *["training"] * 4]
    table.cellWidget(4, 2).setCurrentText("automatic")
    assert (parts(table), table.validation) == (["automatic"] * 6, ())


def test_an_image_that_must_train_leaves_a_fifth_of_all_to_validate(table):
    table.cellWidget(5, 2).setCurrentText("training")
    assert table.validation == ("e",)
    table.cellWidget(4, 2).setCurrentText("training")
    assert table.validation == ("f",)


def test_one_image_at_least_is_trained_on(table):
    for row in range(6):
        table.cellWidget(row, 2).setCurrentText("validation")
    assert table.problem() == "All images validate: leave one to train on."
    table.set_validation(["a"])
    assert table.problem() == ""
    table.show_rows([])
    assert table.problem() == "Tick the images to train on."


def test_no_part_is_cut_in_any_style_and_no_row(table):
    table.resize(300, 200)
    table.show()
    table.setStyleSheet("QComboBox { min-width: 150px; } QHeaderView::section { height: 9px; }")
    assert table.columnWidth(2) >= table.cellWidget(0, 2).sizeHint().width() > 150
    assert table.verticalScrollBar().maximum() == 0
