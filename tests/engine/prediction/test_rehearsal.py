"""The rehearsal of a prediction."""

from napari_utile.engine.prediction.rehearsal import rehearse


def test_a_rehearsal_goes_through_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert rehearse() == [(64, 64)]
    assert not list(tmp_path.iterdir())
