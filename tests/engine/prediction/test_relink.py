"""A finished result with other ids is, to the byte, one that was predicted with them."""

import random
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_utile.arrays.instances.link_costs import LinkCosts
from napari_utile.engine.prediction import relink as relink_module
from napari_utile.engine.prediction.relink import relink, remake
from napari_utile.engine.prediction.resume import finished_plan
from napari_utile.errors import UserError
from napari_utile.events import BlockDone, ImageDone, drain
from napari_utile.io.images import open_image
from napari_utile.results.edits import read_to_edit, save_edit
from napari_utile.settings.prediction import LinkSettings, ObjectSettings
from tests.fixtures.processes import copies
from tests.fixtures.segmented import ends, segment

torch.set_num_threads(1)

GRAPH = LinkSettings(linking="graph")


@pytest.fixture(scope="module")
def results(blob_files, tmp_path_factory):
    """The stack linked by overlap, and by the graph."""
    folder = tmp_path_factory.mktemp("linked")
    for linking in ("overlap", "graph"):
        segment(blob_files, folder / linking / "r.zarr", output="instances", linking=linking)
    return folder


@pytest.fixture
def overlap(results, tmp_path):
    """A copy of the result by overlap."""
    shutil.copytree(results / "overlap", tmp_path / "here")
    return tmp_path / "here" / "r.zarr"


def ids_of(result):
    """The bytes of ids and of the table of links."""
    labels = result / "labels" / "instances"
    files = {p.relative_to(labels): p.read_bytes() for p in labels.rglob("*") if p.is_file()}
    links = result.with_name(f"{result.name}.links.csv")
    return files, links.read_bytes() if links.exists() else None


def test_it_is_as_if_it_had_been_predicted_so(results, overlap, blob_files):
    assert ids_of(overlap) != ids_of(results / "graph" / "r.zarr")
    events = list(relink(overlap, GRAPH))
    (end,) = ends(events)
    assert (end.status, end.objects) == ("done", open_image(overlap).read().max())
    assert ids_of(overlap) == ids_of(results / "graph" / "r.zarr")
    assert not finished_plan(overlap).differences(finished_plan(results / "graph" / "r.zarr"))
    (end,) = ends(segment(blob_files, overlap, output="instances", linking="graph"))
    assert end.status == "kept"
    assert [path.name for path in overlap.parent.glob(".*utile")] == []
    # and back
    list(relink(overlap, LinkSettings(linking="overlap")))
    assert ids_of(overlap) == ids_of(results / "overlap" / "r.zarr")


def test_one_that_is_linked_so_is_kept(results, overlap):
    before = ids_of(overlap)
    (end,) = ends(relink(overlap, LinkSettings(linking="overlap")))
    assert end.status == "kept"
    assert ids_of(overlap) == before


def test_objects_that_are_made_again_are_as_if_they_had_been_predicted_so(
    overlap, blob_files, tmp_path
):
    asked = {"threshold": 0.6, "min_size": 12, "fill_holes": 3, "grow": 2.0}
    run = remake(overlap, ObjectSettings(**asked))
    for _ in range(9):  # as far as into the fragments
        next(run)
    run.close()
    (end,) = ends(remake(overlap, ObjectSettings(**asked)))
    assert end.status == "done"
    anew = tmp_path / "anew" / "r.zarr"
    segment(blob_files, anew, output="instances", linking="overlap", **asked)
    assert ids_of(overlap) == ids_of(anew)
    assert not finished_plan(overlap).differences(finished_plan(anew))
    (end,) = ends(remake(overlap, ObjectSettings(threshold=0.6)))  # the rest stays as it is
    assert end.status == "kept"


def test_without_linking_there_is_no_table(overlap):
    list(relink(overlap, LinkSettings(linking="none")))
    ids, links = ids_of(overlap)
    assert ids and links is None
    labels = open_image(overlap).read()
    assert not np.intersect1d(labels[0][labels[0] > 0], labels[1]).size


@pytest.mark.parametrize("stop", [1, 14, 29, 31, 34])
def test_a_stop_leaves_the_old_ids_and_is_resumed(results, overlap, stop):
    before, run = ids_of(overlap), relink(overlap, GRAPH)
    seen = [next(run) for _ in range(stop)]
    assert not any(isinstance(event, ImageDone) for event in seen)
    run.close()
    assert ids_of(overlap) == before
    again = list(relink(overlap, GRAPH))
    assert ids_of(overlap) == ids_of(results / "graph" / "r.zarr")
    assert sum(isinstance(event, BlockDone) for event in again) < 49 - stop // 2


@pytest.mark.parametrize("step", range(5))
def test_a_kill_within_the_exchange_is_resumed(results, overlap, monkeypatch, step):
    taken, steps = [], [(Path, "rename"), (relink_module.os, "replace")]
    steps += [(relink_module.shutil, "rmtree"), (relink_module.ome_zarr, "mark_complete")]
    for place, name in steps:
        true = getattr(place, name)

        def torn(*given, _true=true, **named):
            inside = any("r.zarr" in str(each) for each in given)
            exchanging = relink_module._LinkFolder(overlap).done("exchange", 1).all()
            if inside and exchanging:
                taken.append(given)
                if len(taken) > step:
                    raise KeyboardInterrupt
            return _true(*given, **named)

        monkeypatch.setattr(place, name, torn)
    with pytest.raises(KeyboardInterrupt):
        list(relink(overlap, GRAPH))
    monkeypatch.undo()
    list(relink(overlap, GRAPH))
    assert ids_of(overlap) == ids_of(results / "graph" / "r.zarr")
    assert not finished_plan(overlap).differences(finished_plan(results / "graph" / "r.zarr"))


def link_and_tell(result, told):
    """What a process does that is killed: it says that there was an event."""
    for event in relink(result, GRAPH):
        told.send(event.event)


def test_kill_minus_9_at_any_moment_is_resumed(results, overlap):
    processes, chance, deaths = copies(__name__), random.Random(9), 0
    for _ in range(5):
        heard, told = processes.Pipe(duplex=False)
        process = processes.Process(target=link_and_tell, args=(overlap, told), daemon=True)
        process.start()
        told.close()
        with suppress(EOFError):  # it had little left to do
            for _ in range(chance.randrange(16)):
                heard.recv()
        time.sleep(chance.random() / 50)
        process.kill()
        process.join()
        deaths += process.exitcode == -signal.SIGKILL
    assert deaths
    list(relink(overlap, GRAPH))
    assert ids_of(overlap) == ids_of(results / "graph" / "r.zarr")


def test_what_was_corrected_by_hand_is_kept_unless_it_may_be_overwritten(
    results, overlap, blob_files
):
    box = ((1, 2), (0, 60), (0, 70))
    seen, free = drain(read_to_edit(overlap, "instances", box))
    drain(save_edit(overlap, "instances", box, seen, np.full_like(seen, free)))
    before = ids_of(overlap)
    (end,) = ends(segment(blob_files, overlap, output="instances", linking="overlap"))
    assert end.status == "kept"
    assert ids_of(overlap) == before
    with pytest.raises(UserError, match="holds a correction by hand, the last of 20"):
        list(relink(overlap, GRAPH))
    assert ids_of(overlap) == before
    list(relink(overlap, GRAPH, overwrite=True))
    assert ids_of(overlap) == ids_of(results / "graph" / "r.zarr")


def test_other_costs_give_other_ids_and_are_remembered(overlap):
    alone = LinkCosts(next_bias=-50, skip_bias=-50, pair_bias=-50)
    list(relink(overlap, GRAPH, alone))
    assert finished_plan(overlap).costs == alone.as_dict()
    labels = open_image(overlap).read()
    assert not np.intersect1d(labels[0][labels[0] > 0], labels[1]).size
    (end,) = ends(relink(overlap, GRAPH))  # the costs of the result
    assert end.status == "kept"


def test_what_is_no_finished_result_of_instances_is_refused(blob_files, overlap, tmp_path):
    segment(blob_files, tmp_path / "p.zarr")
    with pytest.raises(UserError, match="no result of utile predict with the output instances"):
        list(relink(tmp_path / "p.zarr", GRAPH))
    with pytest.raises(UserError, match=r"made again of a result as \.zarr"):
        list(relink(tmp_path / "r.tif", GRAPH))
