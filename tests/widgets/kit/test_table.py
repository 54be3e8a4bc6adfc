"""A table of many rows."""

import numpy as np

from napari_utile.evaluation.error_types import KIND_COLORS, KINDS


def test_a_hundred_thousand_objects_do_not_freeze_the_window(qtbot):
    from time import process_time

    from napari_utile.widgets.kit.table import Table

    n = 100_000
    rng = np.random.default_rng(0)
    iou = rng.random(n)
    iou[5] = np.nan
    columns = {"truth_id": np.arange(n), "kind": np.array(KINDS)[np.arange(n) % 5], "iou": iou}
    table = Table(KIND_COLORS)
    qtbot.addWidget(table)
    table.show()
    began = process_time()
    table.show_columns(columns)
    table.sort("iou", is_descending=True)
    table.keep(range(0, n, 2))
    assert process_time() - began < 5  # as items of a QTableWidget: 10 s and more
    kept = iou[::2]
    expected = 2 * np.argsort(-kept, kind="stable")
    assert table.order[:100] == expected[:100].tolist()
    table.keep(None)
    assert table.order[-1] == 5  # without a value: last, either way
    table.sort("iou")
    assert table.order[-1] == 5
