"""What a worker does, in this process."""

import pytest
import torch

from napari_utile.engine.prediction.worker import BlockWork, device_of_worker, do_work


def test_a_failure_travels_as_words(tmp_path):
    answer = do_work(BlockWork("compute", str(tmp_path / "none.zarr"), "", "cpu", 0))
    assert answer.is_user_error
    assert (
        answer.failure
        == f"{tmp_path / 'none.zarr'} is not being written: it has no plan beside it."
    )


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [
        ("auto", 3, "cuda:1"),
        ("cuda", 2, "cuda:0"),
        ("cpu", 3, "cpu"),
        ("auto", "tcp://x", "auto"),
    ],
)
def test_each_worker_of_a_machine_has_a_gpu_of_its_own(monkeypatch, name, number, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_of_worker(name, number) == expected
