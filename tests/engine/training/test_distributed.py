"""One run on several processes: the same as on one, and ended together."""

import json
import signal
import socket
import subprocess
import sys
from time import sleep

import numpy as np
import pytest
import torch
from torch import distributed, nn

from napari_utile.cli.main import main
from napari_utile.engine import devices
from napari_utile.engine.devices import choose_device
from napari_utile.engine.models.model import load_model
from napari_utile.engine.training.distributed import (
    Group,
    SharedBatchNorm,
    process_group,
    share_statistics,
)
from napari_utile.errors import UserError
from napari_utile.io.images import write_tiff
from napari_utile.networks.unet import UNet
from tests.fixtures.processes import Command

SMALL = "--depth 1 --width 2 --tile 16 --precision fp32 --device cpu"
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2")
TORCHRUN += ("--standalone", "-m", "napari_utile", "train")


@pytest.fixture
def folder(tmp_path):
    """Give a folder with a stack of bright squares, and their labels."""
    objects = np.zeros((4, 32, 40), np.uint16)
    for x in range(2, 34, 8):
        objects[:, 5:18, x : x + 5] = x
    noise = np.random.default_rng(0).normal(100, 10, objects.shape)
    write_tiff(tmp_path / "image.tif", (noise + 60 * (objects > 0)).astype(np.float32))
    write_tiff(tmp_path / "labels.tif", objects)
    write_tiff(tmp_path / "others.tif", objects[:, ::-1].copy())
    return tmp_path


def start(folder, *commands, short=None):
    """Start one process for each command, as torchrun does; one may be short of memory."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": len(commands), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [
        Command(
            f"train {command} --out run".split(), folder, shared | {"RANK": rank}, rank == short
        )
        for rank, command in enumerate(commands)
    ]


def losses(run):
    """Read the losses of every step, and of every validation."""
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    names = {"StepDone": "loss", "EpochDone": "val_loss"}
    return [event[names[event["event"]]] for event in events if event["event"] in names]


# 3 tiles cannot be shared evenly; after 6 steps of SGD differences are still rounding errors
@pytest.mark.parametrize(
    ("network", "loss"), [("unet", "both"), ("sliding-window", "cross-entropy")]
)
def test_two_processes_give_what_one_gives(folder, monkeypatch, network, loss):
    monkeypatch.chdir(folder)
    command = (
        f"image.tif labels.tif {SMALL} --batch 3 --steps 6 --validations-per-run 2 --seed 1"
    )
    command = f"{command} --network {network} --loss {loss}"
    command = f"{command} --optimizer sgd --learning-rate 0.1".split()
    assert main(["train", *command, "--out", "one"]) == 0
    if network == "unet":
        done = subprocess.run(
            [*TORCHRUN, *command, "--out", "run"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        told, statuses = done.stderr, [done.returncode]
    else:  # the processes as torchrun starts them
        running = start(folder, *2 * [" ".join(command)])
        told = "".join(process.communicate(timeout=60)[1] for process in running)
        statuses = [process.returncode for process in running]
    assert {*statuses} == {0}, told
    assert told.count("done after") == 1  # one of them speaks
    assert "processes 2" in told
    assert len(losses(folder / "one")) > 6
    np.testing.assert_allclose(losses(folder / "run"), losses(folder / "one"), rtol=1e-5)
    one, two = (load_model(folder / run).network.state_dict() for run in ("one", "run"))
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_a_process_with_other_labels_is_named_by_the_first(folder):
    first, second = start(
        folder, f"image.tif labels.tif {SMALL}", f"image.tif others.tif {SMALL}"
    )
    told, silent = first.communicate(timeout=60)[1], second.communicate(timeout=60)[1]
    assert told == "utile: Process 1 of 2 differs: the labels have changed.\n"
    assert (first.returncode, second.returncode, silent) == (2, 0, "")


def test_a_process_that_lacks_the_data_is_named_by_the_first(folder):
    first, second = start(
        folder, f"image.tif labels.tif {SMALL}", f"image.tif none.tif {SMALL}"
    )
    told, silent = first.communicate(timeout=60)[1], second.communicate(timeout=60)[1]
    assert told.startswith("utile: Process 1 of 2: ") and "none.tif" in told
    assert (first.returncode, second.returncode, silent) == (2, 0, "")


def test_what_is_wrong_for_all_is_said_once(folder):
    first, second = start(folder, *2 * [f"image.tif labels.tif {SMALL} --batch 1"])
    told, silent = first.communicate(timeout=60)[1], second.communicate(timeout=60)[1]
    assert told.startswith("utile: 2 processes cannot share a batch of 1: give each")
    assert told.count("\n") == 1
    assert (first.returncode, second.returncode, silent) == (2, 0, "")


def wait_for_steps(run, number):
    events = run / "events.jsonl"
    while not events.exists() or events.read_text().count("StepDone") < number:
        sleep(0.02)


def test_a_stop_ends_all_and_one_process_goes_on(folder, monkeypatch, capsys):
    command = f"image.tif labels.tif {SMALL} --batch 2 --steps 100 --validations-per-run 20"
    first, second = start(folder, *2 * [command])
    wait_for_steps(folder / "run", 12)
    second.send_signal(signal.SIGTERM)  # torchrun tells all of them
    first.send_signal(signal.SIGTERM)
    assert first.wait(60) == 130 and second.wait(60) == 0
    assert load_model(folder / "run")
    monkeypatch.chdir(folder)
    assert main(f"train {command} --out run".split()) == 0
    assert "resumes from step" in capsys.readouterr().err


def test_fault_18_the_death_of_one_process_is_said_and_nothing_is_lost(
    folder, monkeypatch, capsys
):
    command = f"image.tif labels.tif {SMALL} --batch 2 --steps 100 --validations-per-run 20"
    first, second = start(folder, *2 * [command])
    wait_for_steps(folder / "run", 12)
    second.kill()
    told = first.communicate(timeout=60)[1]
    assert first.returncode == 2
    assert "utile: Another process of the run has ended after step" in told
    assert "Traceback" not in told
    monkeypatch.chdir(folder)
    assert main(f"train {command} --out run".split()) == 0
    assert "resumes from step" in capsys.readouterr().err


@pytest.mark.parametrize("rank", [0, 1])
def test_fault_17_a_process_that_runs_out_of_memory_says_so_and_all_end(folder, rank):
    command = f"image.tif labels.tif {SMALL} --batch 4 --steps 6"
    processes = start(folder, *2 * [command], short=rank)
    told = [process.communicate(timeout=60)[1] for process in processes]
    assert "utile: 2 tiles of 16 px do not fit into the memory of cpu" in told[rank]
    assert "Traceback" not in told[0] + told[1]
    assert processes[rank].returncode == 2


@pytest.fixture
def group(tmp_path):
    """Make this process a group of its own."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1
    )
    yield Group.here()
    distributed.destroy_process_group()


def test_shared_batch_norm_is_batch_norm(group):
    torch.manual_seed(0)
    x = torch.randn(3, 2, 5, 7) * 4 + 10
    published, ours = nn.BatchNorm2d(2), SharedBatchNorm(2)
    results = []
    for norm in (published, ours):
        torch.nn.init.constant_(norm.weight, 1.5)
        given = x.clone().requires_grad_()
        found = norm(given)
        found.square().mul(torch.arange(7)).sum().backward()
        results.append([found, given.grad, norm.weight.grad, norm.bias.grad, *norm.buffers()])
        results[-1].append(norm.eval()(x))
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)


def test_statistics_are_shared_under_the_same_names():
    network = UNet(1, 2, depth=1, width=2, norm="batch")
    names = list(network.state_dict())
    shared = share_statistics(network, torch.device("cpu"))
    norms = [module for module in shared.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 6 and all(isinstance(norm, SharedBatchNorm) for norm in norms)
    assert list(shared.state_dict()) == names


def test_every_tile_belongs_to_one_process():
    shares = [Group(rank, 3).share(range(7)) for rank in range(3)]
    assert sorted(tile for share in shares for tile in share) == list(range(7))
    assert {len(share) for share in shares} == {2, 3}


def test_a_size_that_is_no_number_is_refused_in_a_sentence(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "x")
    with pytest.raises(UserError), process_group("cpu"):
        pass


def test_each_process_of_a_machine_has_its_own_gpu(monkeypatch):
    monkeypatch.setattr(devices, "reasons_without_gpu", lambda: [])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda:1")
    assert choose_device("cuda:0") == torch.device("cuda:0")
    assert choose_device("cpu") == torch.device("cpu")
