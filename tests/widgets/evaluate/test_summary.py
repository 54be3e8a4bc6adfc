"""The sentence on top of a report."""


def test_one_sentence_says_what_was_found_of_the_whole_and_of_the_slice_in_view(
    panel, run, viewer
):
    report = run(panel)
    lines = panel.view.summary
    counted = "5 found, 1 missed, 0 merged, 0 split, 1 invented"
    assert lines.whole.text() == f"<b>{counted}</b>"
    assert "True objects without a partner" in lines.whole.toolTip()
    assert f"IoU {report['iou']:.3f} · F1 {report['f1_50']:.3f}" in lines.scores.text()
    assert lines.here.text() == "Slice 1: 1 found, 1 missed, 0 merged, 0 split, 0 invented"
    viewer.dims.set_point(0, 0)
    assert lines.here.text().startswith("Slice 0: 2 found, 0 missed")
    row = panel.view.scores.cells()[2]
    assert row[:3] == ["1", "1", "1"]
    panel.form.set_value("volumetric", True)
    run(panel)
    assert lines.whole.text().startswith("<b>2 found, 0 missed")
    viewer.dims.set_point(0, 50)
    assert lines.here.text().startswith("Slice 1: 2 found, 0 missed")
