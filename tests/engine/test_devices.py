"""Devices are chosen or refused with a reason; what `utile doctor` finds of them."""

import json
import sys

import pytest
import torch

from napari_utile import __version__
from napari_utile.engine import devices
from napari_utile.engine.devices import (
    autocast_dtype,
    choose_device,
    describe,
    diagnose,
    free_memory,
    is_out_of_memory,
    reasons_without_gpu,
)
from napari_utile.errors import UserError

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def machine(monkeypatch):
    """Pretend to be another machine."""

    def machine(built=True, available=True, capability=(9, 0), hidden=None, count=1):
        monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: built)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "Tesla")
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_90"])
        monkeypatch.setattr(devices.platform, "system", lambda: "Linux")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if hidden is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)

    return machine


def test_auto_takes_the_gpu_that_can_be_used(machine):
    machine()
    assert reasons_without_gpu() == []
    assert choose_device("auto") == CUDA


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({"built": False}, "pip install --force-reinstall torch --index-url https://"),
        ({"available": False}, "nvidia-smi"),
        ({"hidden": ""}, "CUDA_VISIBLE_DEVICES is '', which hides every GPU"),
        ({"hidden": "-1"}, "CUDA_VISIBLE_DEVICES is '-1'"),
        ({"capability": (3, 5)}, "3.5) is too old"),
    ],
)
def test_without_a_gpu_the_reason_and_the_cure_are_said(machine, what, reason):
    machine(**what)
    assert reason in reasons_without_gpu()[0]
    assert choose_device("auto") == CPU
    with pytest.raises(UserError, match="'cuda' cannot be used"):
        choose_device("cuda")


def test_a_visible_gpu_is_not_hidden(machine):
    machine(hidden="1")
    assert reasons_without_gpu() == []


@pytest.mark.parametrize("name", ["gpu", "mps", "", "cuda:x", "meta"])
def test_there_is_no_such_device(name):
    with pytest.raises(UserError, match="choose auto, cpu, cuda or cuda:N"):
        choose_device(name)


def test_there_are_not_so_many_gpus(machine):
    machine(count=2)
    assert choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UserError, match="the last is 'cuda:1'"):
        choose_device("cuda:2")


@pytest.mark.parametrize(
    ("device", "precision", "training", "fast", "dtype"),
    [
        (CUDA, "auto", False, False, torch.bfloat16),
        (CUDA, "auto", True, False, torch.bfloat16),
        (CUDA, "fp32", True, False, None),
        (CPU, "auto", True, True, torch.bfloat16),
        (CPU, "auto", True, False, None),
        (CPU, "auto", False, True, None),
        (CPU, "bf16", False, False, torch.bfloat16),
    ],
)
def test_number_format(monkeypatch, device, precision, training, fast, dtype):
    monkeypatch.setattr(devices, "_has_bfloat16", lambda: fast)
    assert autocast_dtype(device, precision, training) == dtype


def test_in_words():
    threads = torch.get_num_threads()
    assert describe(CPU) == f"cpu ({threads} threads, fp32)"
    assert describe(CPU, torch.bfloat16) == f"cpu ({threads} threads, bf16)"


def test_the_limit_of_a_job_is_respected(monkeypatch):
    monkeypatch.setattr(devices, "_left_in_control_group", lambda: 12_345)
    assert free_memory(CPU) == 12_345


def test_what_is_out_of_memory():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    with pytest.raises(RuntimeError) as real:
        torch.empty(2**52)
    assert is_out_of_memory(real.value)
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied"))


@pytest.fixture
def without_gpu(monkeypatch):
    why = ["The GPU is asleep.", "Wake it by: knock"]
    monkeypatch.setattr(devices, "reasons_without_gpu", lambda: why)


def test_versions_and_device_are_said(without_gpu):
    found = diagnose()
    assert found["U-Tile"] == __version__
    assert sys.executable in found["Python"]
    assert torch.__version__ in found["torch"]
    assert found["device"]
    assert found["free memory"].endswith(("kB", "MB", "GB", "TB"))
    assert "cores" in found["system"]


def test_why_there_is_no_gpu_is_said_with_the_remedy(without_gpu):
    assert diagnose()["why no GPU"] == "The GPU is asleep. Wake it by: knock"


def test_nothing_is_wrong_with_a_machine_whose_gpu_works(machine, monkeypatch):
    machine()
    monkeypatch.setattr(devices, "free_memory", lambda _: 0)
    assert "why no GPU" not in diagnose()


def test_a_package_that_is_missing_is_said_with_the_remedy(monkeypatch):
    monkeypatch.setattr(devices, "OPTIONAL", ("numba", "no-such-package"))
    found = diagnose()
    assert found["numba"][0].isdigit()
    assert found["no-such-package"] == "not installed (pip install no-such-package)"


def test_findings_are_words():
    assert all(isinstance(part, str) for finding in diagnose().items() for part in finding)
    json.dumps(diagnose())
