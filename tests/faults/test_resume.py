"""Runs that are interrupted and go on: faults 15, 16, 19 and 39."""

import os
import random
import shutil
import signal
import time
from itertools import count

import numpy as np
import pytest
import torch

import napari_utile as utile
from napari_utile.cli.main import main
from napari_utile.engine.training import run as run_module
from napari_utile.engine.training.front import train_files
from napari_utile.engine.training.run import run_training
from napari_utile.errors import UserError
from napari_utile.events import EpochDone, RunDone, RunStarted, StepDone, Warned
from napari_utile.folders.run import Run
from napari_utile.io.images import as_stack, write_tiff
from tests.fixtures.processes import Command, copies

torch.set_num_threads(1)

TINY = {
    "depth": 1, "width": 2, "tile": 16, "batch": 2, "steps": 24, "validations_per_run": 4,
    "dropout": 0.2, "device": "cpu", "precision": "fp32",
}  # fmt: skip
TIMES = {"seconds", "rate", "seconds_left"}


def cells():
    """A stack of bright squares, and their instances."""
    objects = np.zeros((4, 32, 40), np.uint16)
    for x in range(2, 34, 8):
        objects[:, 5:18, x : x + 5] = x
    noise = np.random.default_rng(0).normal(100, 10, objects.shape)
    return (noise + 60 * (objects > 0)).astype(np.float32), objects


def start(out, labels=None, overwrite=False, warm_start=None, **options):
    image, objects = cells()
    stacks = [as_stack(image)], [as_stack(objects if labels is None else labels, name="labels")]
    settings = utile.TrainSettings(**TINY | options)
    return run_training(*stacks, settings, out, overwrite, warm_start)


def drained(run):
    """All events of a run."""
    return list(run)


def stopped_at(run, kind, number=1):
    """Take a run up to an event, and stop it there."""
    seen = count(1)
    for event in run:
        if isinstance(event, kind) and next(seen) == number:
            break
    run.close()


def learnt(folder):
    """All that a run has come to but the time it took: curves, model, checkpoint, previews."""
    run = Run(folder)
    curve = [
        event.model_dump(exclude=TIMES)
        for event in run.recorded()
        if isinstance(event, StepDone | EpochDone)
    ]
    newest = max(run.checkpoint.glob("step_*.pt"))
    state = torch.load(newest, weights_only=True)
    return {
        "curve": curve,
        "model": utile.load_model(folder).network.state_dict(),
        "learner": state["learner"] | {"progress": state["learner"]["progress"] | {"cost": 0}},
        "best": state["best"],
        "previews": {p.name: p.read_bytes() for p in sorted(run.previews.iterdir())},
    }


def assert_same(one, other):
    """Compare to the last bit, in any depth."""
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype and torch.equal(one, other)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for name in one:
            assert_same(one[name], other[name])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert one == other


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    for name, array in zip(("em", "ids"), cells(), strict=True):
        write_tiff(folder / f"{name}.tif", array)
    return folder / "em.tif", folder / "ids.tif"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    drained(start(folder))
    return folder


def train_and_tell(files, out, settings, told):
    """What a process does that is killed: it says the name of each event."""
    torch.set_num_threads(1)
    for event in train_files(*files, out, settings):
        told.send(event.event)


def wait_for(told, name, number):
    """Read until an event of that name was told so many times."""
    while number:
        number -= told.recv() == name


def test_fault_15_kill_minus_9_at_any_moment_ends_bit_identical(files, tmp_path):
    settings = utile.TrainSettings(**TINY | {"steps": 60, "validations_per_run": 12})
    reference, out = tmp_path / "whole", tmp_path / "run"
    drained(train_files(*files, reference, settings))
    processes = copies(__name__)
    chance = random.Random(15)
    for moment in ("EpochDone", "StepDone", "EpochDone", "start-up"):
        heard, told = processes.Pipe(duplex=False)
        process = processes.Process(target=train_and_tell, args=(files, out, settings, told))
        process.start()
        told.close()
        if moment == "start-up":
            time.sleep(chance.uniform(0, 0.2))
        elif moment == "EpochDone":  # in the checkpoint after a validation
            wait_for(heard, moment, chance.randrange(1, 4))
            time.sleep(chance.uniform(0, 0.02))
        else:
            wait_for(heard, moment, chance.randrange(1, 20))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert not Run(out).is_finished
    drained(train_files(*files, out, settings))
    assert_same(learnt(out), learnt(reference))
    assert not list(out.rglob(".*.draft"))


def test_fault_15_the_same_command_goes_on_after_kill_minus_9(files, tmp_path, whole):
    out = tmp_path / "run"
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    command = ["train", *map(str, files), "--out", str(out), *flags]
    killed = Command(command, tmp_path)
    events = Run(out).events
    while not events.exists() or '"epoch":1' not in events.read_text():
        time.sleep(0.01)
    killed.kill()
    assert killed.wait(60) == -signal.SIGKILL
    again = Command(command, tmp_path)
    assert "resumes from step " in again.communicate(60)[1]
    assert again.returncode == 0
    assert_same(learnt(out), learnt(whole))


@pytest.mark.parametrize(
    "moment", [(RunStarted, 1), (StepDone, 3), (EpochDone, 2), (StepDone, 15)]
)
def test_a_stop_goes_on_bit_identical_also_within_an_epoch(tmp_path, whole, moment):
    out = tmp_path / "run"
    stopped_at(start(out), *moment)
    assert utile.load_model(out)
    assert not Run(out).is_finished
    events = drained(start(out))
    assert events[0].resumed_from is not None
    assert not any(isinstance(event, StepDone) and event.step == 1 for event in events) or (
        moment[0] is RunStarted
    )
    assert_same(learnt(out), learnt(whole))
    assert Run(out).is_finished


def test_a_stop_goes_on_bit_identical_where_muon_turns_kernels(tmp_path):
    wide = {"width": 16, "steps": 8}  # narrow networks have no kernel between hidden layers
    drained(start(tmp_path / "whole", **wide))
    stopped_at(start(tmp_path / "cut", **wide), StepDone, 3)
    drained(start(tmp_path / "cut", **wide))
    one, other = (
        utile.load_model(tmp_path / run).network.state_dict() for run in ("whole", "cut")
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_stop_after_the_last_step_still_validates(tmp_path, whole):
    out = tmp_path / "run"
    stopped_at(start(out), StepDone, TINY["steps"])
    drained(start(out))
    assert_same(learnt(out), learnt(whole))


@pytest.mark.parametrize("is_finished", [False, True])
def test_a_record_with_gaps_is_said(tmp_path, whole, is_finished):
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    if not is_finished:
        shutil.rmtree(out)
        stopped_at(start(out), StepDone, 5)
    lines = (out / "events.jsonl").read_bytes().split(b"\n")
    lines[1] = lines[1][:-9]
    (out / "events.jsonl").write_bytes(b"\n".join(lines))
    said = " ".join(getattr(e, "message", "") + getattr(e, "reason", "") for e in start(out))
    assert said.count("1 of ") == 1 and "could not be read: curves have gaps" in said


def test_the_record_is_cut_back_to_where_the_run_goes_on(tmp_path):
    out = tmp_path / "run"
    stopped_at(start(out), StepDone, 8)
    with (out / "events.jsonl").open("a") as file:
        file.write('{"event": "StepD')
    drained(start(out))
    steps = [event.step for event in Run(out).recorded() if isinstance(event, StepDone)]
    assert steps == list(range(1, TINY["steps"] + 1))
    assert sum(isinstance(event, RunDone) for event in Run(out).recorded()) == 1


def test_a_model_later_than_the_checkpoint_is_put_back(tmp_path):
    """As after a kill between the two: the run repeats what it did."""
    out = tmp_path / "run"
    stopped_at(start(out), EpochDone, 2)
    expected = utile.load_model(out).scores
    later = tmp_path / "later"
    shutil.copytree(out, later)
    drained(start(later))
    shutil.rmtree(out / "model")
    shutil.copytree(later / "model", out / "model")
    events = start(out)
    next(events)
    assert utile.load_model(out).scores == expected
    events.close()


@pytest.mark.parametrize("damage", ["torn", "flipped", "empty"])
def test_fault_15_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, whole, damage):
    out = tmp_path / "run"
    stopped_at(start(out), EpochDone, 3)
    paths = sorted((out / "checkpoint").iterdir())
    assert len(paths) == 2
    content = bytearray(paths[-1].read_bytes())
    if damage == "flipped":  # a bit of the weights
        weights = torch.load(paths[-1], weights_only=True)["learner"]["network"]
        content[content.index(weights["classify.weight"].numpy().tobytes())] ^= 1
    kept = {"torn": len(content) // 2, "flipped": len(content), "empty": 0}[damage]
    paths[-1].write_bytes(content[:kept])
    events = drained(start(out))
    (said,) = [event.message for event in events if isinstance(event, Warned)]
    assert said == f"{paths[-1]} is damaged: the run resumes from the one before it."
    assert events[0].resumed_from == int(paths[0].stem.split("_")[1])
    assert_same(learnt(out), learnt(whole))


def changed(state, place, value):
    """Put a value at a place of a nested state, or take away what is there."""
    *outer, last = place
    for name in outer:
        state = state[name]
    if value is GONE:
        del state[last]
    else:
        state[last] = value


GONE = object()
OTHERS = [
    (("seconds",), GONE),
    (("seconds",), float("nan")),
    (("events",), "7"),
    (("said",), [1]),
    (("best",), None),
    (("best", "scores"), {"iou": "high"}),
    (("best", "weights", "classify.bias"), torch.zeros(3)),
    (("watch", "step"), [1.0]),
    (("watch", "first"), 1.0),
    (("learner",), 3),
    (("learner", "network", "classify.weight"), GONE),
    (("learner", "network", "classify.bias"), torch.zeros(2, dtype=torch.float64)),
    (("learner", "optimizer", "state"), {0: {"momentum": torch.zeros(1)}}),
    (("learner", "optimizer", "state"), {99: {}}),
    (("learner", "sampler", "generator"), torch.zeros(3, dtype=torch.uint8)),
    (("learner", "random", "cpu"), torch.zeros(5056)),
    (("learner", "tile"), 10**9),
    (("learner", "parts"), 0),
    (("learner", "progress", "step"), -1),
    (("learner", "progress", "best"), [1]),
    (("plan",), [1]),
    (("format",), torch.ones(2)),
]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    out = tmp_path_factory.mktemp("stopped") / "run"
    stopped_at(start(out), EpochDone, 3)
    return out


@pytest.mark.parametrize(("place", "value"), OTHERS)
def test_fault_15_a_checkpoint_of_something_else_falls_back_to_the_one_before(
    tmp_path, stopped, place, value
):
    """It is whole as an archive, but not what a run writes."""
    out = tmp_path / "run"
    shutil.copytree(stopped, out)
    older, newer = sorted((out / "checkpoint").iterdir())
    state = torch.load(newer, weights_only=True)
    changed(state, place, value)
    torch.save(state, newer)
    run = start(out)
    assert next(run).resumed_from == int(older.stem.split("_")[1])
    assert next(run).message == f"{newer} is damaged: the run resumes from the one before it."
    run.close()


def test_fault_15_settings_of_another_version_are_not_called_damaged(tmp_path, stopped):
    out = tmp_path / "run"
    shutil.copytree(stopped, out)
    newest = max((out / "checkpoint").iterdir())
    state = torch.load(newest, weights_only=True)
    torch.save(state | {"plan": state["plan"] | {"settings": {"of": "tomorrow"}}}, newest)
    with pytest.raises(UserError, match=r"by another version of U-Tile\. Overwrite"):
        next(start(out))


def test_fault_15_without_a_whole_checkpoint_nothing_is_given_up(tmp_path):
    out = tmp_path / "run"
    stopped_at(start(out), EpochDone, 3)
    for path in (out / "checkpoint").iterdir():
        path.write_bytes(b"half")
    with pytest.raises(UserError, match=r"is damaged, as is every other .*Overwrite"):
        next(start(out))
    utile.load_model(out)
    (out / "model").rename(tmp_path / "aside")  # so that no other run can start from it
    with pytest.raises(UserError, match=r"Overwrite it, or choose another folder\.$"):
        next(start(out))
    drained(start(out, overwrite=True))


def test_fault_15_drafts_of_a_killed_process_are_swept_away(tmp_path):
    out = tmp_path / "run"
    stopped_at(start(out), EpochDone)
    draft = out / "checkpoint" / ".step_00000009.pt.17.draft"
    draft.write_bytes(b"half")
    (out / ".model.xyz").mkdir()
    stopped_at(start(out), StepDone)
    assert not draft.exists()
    assert not (out / ".model.xyz").exists()


def test_a_checkpoint_holds_tensors_and_plain_types_only(whole):
    newest = max((whole / "checkpoint").iterdir())
    state = torch.load(newest, weights_only=True)

    def leaves(value):
        if isinstance(value, dict | list | tuple):
            for part in value.values() if isinstance(value, dict) else value:
                yield from leaves(part)
        else:
            yield type(value)

    assert set(leaves(state)) <= {torch.Tensor, str, int, float, bool, type(None)}
    assert len(list((whole / "checkpoint").iterdir())) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"width": 3}, "width: 2 there, 3 here"),
        ({"learning_rate": 0.1, "batch": 1},
         "batch: 2 there, 1 here; learning-rate: 0.003 there, 0.1 here"),
        ({"network": "encoder-decoder"}, "network: unet there, encoder-decoder here"),
        ({"labels": np.where(cells()[1] == 2, 0, cells()[1])}, "the labels have changed"),
        ({"labels": np.where(cells()[1] == 2, 1, cells()[1]), "w0": 4},
         "w0: 2.0 there, 4.0 here; the labels have changed"),
    ],
)  # fmt: skip
def test_fault_16_another_run_is_refused_with_what_differs(tmp_path, change, said):
    out = tmp_path / "run"
    stopped_at(start(out), StepDone, 2)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(UserError) as refused:
        next(start(out, **change))
    assert f"holds an unfinished run that differs ({said}). Overwrite" in str(refused.value)
    assert "warm start" in str(refused.value)
    after = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert after == before
    drained(start(out, overwrite=True, **change))


def test_fault_16_changed_images_are_noticed(files, tmp_path):
    out, settings = tmp_path / "run", utile.TrainSettings(**TINY)
    stopped_at(train_files(*files, out, settings), StepDone, 2)
    image = cells()[0]
    image[3, 31, 39] += 1
    write_tiff(tmp_path / "em.tif", image)
    with pytest.raises(UserError, match=r"differs \(the annotated images have changed\)"):
        next(train_files(tmp_path / "em.tif", files[1], out, settings))


def test_a_run_may_change_its_machine(tmp_path):
    out = tmp_path / "run"
    stopped_at(start(out), StepDone, 2)
    drained(start(out, device="auto", precision="bf16"))
    assert Run(out).is_finished


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("[!.]*")}


@pytest.mark.parametrize("checkpoints", ["kept", "removed"])
def test_a_finished_run_is_kept_and_another_is_refused(tmp_path, whole, checkpoints):
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    if checkpoints == "removed":  # settings and facts are all that is known of it
        shutil.rmtree(out / "checkpoint")
    before = contents(out)
    (done,) = drained(start(out, device="auto"))
    assert done.kept and not done.stopped and done.out == str(out)
    assert done.scores == utile.load_model(out).scores
    assert ("could not be compared" in done.reason) == (checkpoints == "removed")
    with pytest.raises(UserError, match=r"finished run that differs \(width: 2 there, 3 here"):
        next(start(out, width=3))
    settings = utile.TrainSettings(**TINY)
    with pytest.raises(UserError, match=r"finished run that differs \(.* have changed"):
        utile.train(*(array[1:] for array in cells()), settings, out=out)
    assert contents(out) == before


def test_a_finished_run_is_returned_in_python_and_status_0_in_the_shell(
    files, tmp_path, capsys
):
    out, settings = tmp_path / "run", TINY | {"steps": 2}
    model = utile.train(*cells(), utile.TrainSettings(**settings), out=out)
    events = []
    again = utile.train(
        *cells(), utile.TrainSettings(**settings), out=out, on_event=events.append
    )
    assert_same(again.network.state_dict(), model.network.state_dict())
    assert [event.event for event in events] == ["RunDone"]
    command = ["train", *map(str, files), "--out", str(out)]
    command += [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    assert main(command) == 0
    assert "finished before" in capsys.readouterr().err
    assert main([*command, "--seed=1"]) == 2
    assert main([*command, "--seed=1", "--overwrite"]) == 0


def test_a_run_that_starts_from_a_finished_one_is_another(tmp_path, whole):
    with pytest.raises(UserError, match="warm-start: none there, a model here"):
        next(start(whole, warm_start=whole))


# warm start


def first_weights(**options):
    """The weights of a network that has all but not learnt."""
    still = {"steps": 1, "learning_rate": 1e-30, "weight_decay": 0, "seed": 3}
    return options | still


def test_a_warm_start_begins_with_the_weights_of_a_run(tmp_path, whole):
    run = start(tmp_path / "run", **first_weights(), warm_start=whole)
    events = drained(run)
    assert events[0].warm_start == str(whole)
    found = utile.load_model(tmp_path / "run").network
    learnt_before = utile.load_model(whole).network
    for name, value in found.named_parameters():
        torch.testing.assert_close(value, learnt_before.get_parameter(name), atol=1e-20, rtol=0)


def test_a_run_is_overwritten_by_one_that_starts_from_it(tmp_path, whole):
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    before = utile.load_model(out).network.state_dict()
    drained(start(out, overwrite=True, warm_start=out, **first_weights()))
    after = utile.load_model(out).network.state_dict()
    assert_same(before["classify.weight"], after["classify.weight"])


def test_a_run_that_overwrote_what_it_started_from_resumes(tmp_path, whole):
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    stopped_at(start(out, overwrite=True, warm_start=out), StepDone, 2)
    drained(start(out, warm_start=out))  # its own model is there by now
    assert Run(out).is_finished


@pytest.mark.parametrize("state", ["finished", "without checkpoints", "stopped"])
def test_settings_that_were_edited_are_noticed(tmp_path, whole, state):
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    if state == "without checkpoints":
        shutil.rmtree(out / "checkpoint")
    if state == "stopped":
        shutil.rmtree(out)
        stopped_at(start(out), StepDone, 2)
    settings = utile.TrainSettings.read(out / "settings.json")
    edited = settings.model_copy(update={"w0": 7.0, "device": "cuda:9"})
    (out / "settings.json").write_text(edited.text())
    said = r"settings\.json was changed since the run began \(w0: 7\.0 there, 2\.0 here\)"
    with pytest.raises(UserError, match=said):
        next(start(out))
    with pytest.raises(UserError, match=r"run that differs \(w0: 2\.0 there, 7\.0 here\)"):
        next(start(out, w0=7.0))


def test_an_interrupted_warm_start_goes_on(tmp_path, whole):
    out, reference = tmp_path / "run", tmp_path / "reference"
    drained(start(reference, warm_start=whole))
    stopped_at(start(out, warm_start=whole), StepDone, 13)
    stopped_at(start(out, warm_start=whole), StepDone, 2)
    with pytest.raises(UserError, match=r"differs \(warm-start: a model there, none here\)"):
        next(start(out))
    drained(start(out, warm_start=whole))
    assert_same(learnt(out), learnt(reference))


def test_fault_16_an_unfinished_run_is_not_taken_for_a_warm_start(tmp_path, whole):
    out = tmp_path / "run"
    stopped_at(start(out), StepDone, 13)
    with pytest.raises(UserError, match=r"differs \(warm-start: none there, a model here"):
        next(start(out, warm_start=whole))


def test_a_model_of_another_architecture_is_refused_in_one_sentence(tmp_path, whole):
    with pytest.raises(UserError) as refused:
        next(start(tmp_path / "run", network="segnet", width=3, warm_start=whole))
    said = str(refused.value)
    assert (
        "is of another architecture and cannot be started from (network: unet there, " in said
    )
    assert "width: 2 there, 3 here" in said
    assert not (tmp_path / "run" / "settings.json").exists()


def test_the_shell_starts_from_a_run_too(files, tmp_path, whole, capsys):
    flags = [
        f"--{name.replace('_', '-')}={value}" for name, value in (TINY | {"steps": 2}).items()
    ]
    out = tmp_path / "run"
    arguments = ["train", *map(str, files), "--out", str(out), *flags]
    assert main([*arguments, "--warm-start", str(whole)]) == 0
    assert f"starts from {whole}" in capsys.readouterr().err
    assert main([*arguments, "--warm-start", str(tmp_path / "none")]) == 2
    assert main([*arguments, "--overwrite", "--warm-start", str(tmp_path / "none")]) == 2
    utile.load_model(out)  # is still there


# by the clock


def test_minutes_go_on_with_the_time_that_is_left(tmp_path):
    out, minutes = tmp_path / "run", 0.05
    options = {"steps": None, "minutes": minutes, "validations_per_run": 4}
    run = start(out, **options)
    for event in run:
        if isinstance(event, StepDone) and event.progress > 0.5:
            break
    run.close()
    time.sleep(1)
    events = drained(start(out, **options))
    first = next(event for event in events if isinstance(event, StepDone))
    assert first.progress > 0.5
    assert first.step == event.step + 1
    assert events[-1].seconds >= minutes * 60


def test_fault_19_a_second_training_into_one_folder_is_refused(tmp_path):
    out = tmp_path / "run"
    run = start(out)
    next(run)
    with pytest.raises(UserError, match=f"in use by process {os.getpid()}"):
        next(start(out, overwrite=True))
    assert [event.event for event in run][-1] == "RunDone"


def test_fault_39_a_gpu_that_is_lost_leaves_a_run_that_goes_on(tmp_path, whole, monkeypatch):
    out, validate, calls = tmp_path / "run", run_module.validate, count(1)

    def lost(*given):
        if next(calls) == 3:
            raise torch.AcceleratorError("CUDA error: unspecified launch failure\nset ...")
        return validate(*given)

    monkeypatch.setattr(run_module, "validate", lost)
    with pytest.raises(UserError) as told:
        drained(start(out))
    assert str(told.value) == (
        "cpu can no longer be used (CUDA error: unspecified launch failure) after step 18: "
        "the same command resumes from the last validation."
    )
    monkeypatch.undo()
    drained(start(out))
    assert_same(learnt(out), learnt(whole))
