"""The table of classes shows, selects and renames; it computes nothing."""

from napari_utile.widgets.label.class_table import (
    EVERYWHERE,
    HERE,
    ID,
    NAME,
    ClassRow,
    ClassTable,
)

ROWS = [
    ClassRow(1, (1, 0, 0, 1), "background", 5, "1,200"),
    ClassRow(2, None, "soma", None, "≥ 7"),
]


def test_rows_are_shown_chosen_and_renamed(qtbot):
    table, chosen, renamed = ClassTable(), [], []
    qtbot.addWidget(table)
    table.chosen.connect(chosen.append)
    table.renamed.connect(lambda *given: renamed.append(given))
    table.show_rows(ROWS, selected=2)
    assert [table.item(1, c).text() for c in range(4)] == ["2", "soma", "–", "≥ 7"]
    assert table.currentRow() == 1 and chosen == renamed == []
    assert table.item(0, ID).icon().pixmap(1).toImage().pixelColor(0, 0).name() == "#ff0000"
    table.cellClicked.emit(0, EVERYWHERE)
    table.item(1, NAME).setText("axon")
    assert (chosen, renamed) == ([1], [(2, "axon")])
    table.show_rows(ROWS[:1], selected=9)
    assert (table.rowCount(), len(table.selectedItems())) == (1, 0)


def test_long_numbers_are_not_cut_wherever_their_row_is(qtbot):
    table = ClassTable()
    qtbot.addWidget(table)
    rows = [ClassRow(n, None, f"object {n}", 7, "7") for n in range(60)]
    rows[-1] = ClassRow(59, None, "object 59", 1_234_567, "≥ 12,345,678,901")
    table.show_rows(rows, 1)
    for column in (HERE, EVERYWHERE):
        text = table.item(59, column).text()
        assert table.columnWidth(column) > table.fontMetrics().horizontalAdvance(text)
