"""The fuzz runner finds what is wrong, names it, and goes on."""

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.fuzz import Fuzzer, minimize, place_in_stack
from tests.fuzz.mutations import mutate

TOY = "tests.fixtures.toy_target"
FINDS = {
    "good": None,
    "refused": None,
    "broken": "builtins.KeyError at toy_target.py check",
    "jargon": "sentence with 'NoneType' at toy_target.py check",
    "crash": "died of signal 6 at toy_target.py check",
    "slow": "more than 3 s at toy_target.py check",
    "large": "more than 200 MB",
    "outside": "os.mkdir at toy_target.py check",
    "left": "left files behind",
    "pickle": "pickle.find_class at toy_target.py check",
    "command": "os.system at toy_target.py check",
}


@pytest.mark.skipif(sys.platform == "win32", reason="the toy dies of a signal")
def test_the_runner_survives_and_names_what_an_input_does(tmp_path):
    found = {}
    with Fuzzer(TOY, Namespace(seconds=3, gigabytes=200 / 1024)) as fuzzer:
        for word in [*FINDS, "good"]:
            found[word] = fuzzer.try_bytes(word.encode())
        path = tmp_path / "find"
        path.write_bytes(b"a few words that are broken")
        minimize(fuzzer, path)
    assert path.read_bytes() == b"broken"
    found["large"] = found["large"].removesuffix(" at toy_target.py check")  # if seen in time
    assert found == FINDS


def test_statistics_and_the_shortest_input_of_each_find_are_kept(project, tmp_path):
    command = [sys.executable, project / "tests" / "fuzz" / "fuzz.py", TOY]
    done = subprocess.run(
        [*command, "--inputs", "40", "--found", tmp_path], capture_output=True, check=False
    )
    assert done.returncode == 1, done.stderr
    statistics = json.loads((tmp_path / TOY / "statistics_0.json").read_text())
    assert statistics["inputs"] == 40
    assert statistics["sentences"] == {"The file is not good.": statistics["refused"]}
    ((signature, find),) = statistics["finds"].items()
    assert signature == FINDS["broken"]
    assert statistics["fine"] + statistics["refused"] + find["count"] == 40
    assert Path(find["file"]).read_bytes().endswith(b"broken")
    assert "KeyError: 'broken'" in Path(find["file"]).with_suffix(".txt").read_text()


@pytest.mark.parametrize("kind", ["bytes", "json", "text"])
def test_mutations_are_many_and_the_same_for_a_seed(kind):
    seeds = [
        json.dumps({"a": [1, 2.5, {"b": "c"}], "d": None, "e": n}).encode() for n in (0, 1)
    ]
    first, again = (
        [mutate(seeds[0], kind, Random(seed), seeds) for seed in range(300)] for _ in range(2)
    )
    assert first == again
    assert len(set(first)) > 200 and seeds[0] not in set(first[:5])


def test_a_stack_is_named_by_its_innermost_frame_of_the_package():
    stack = """Fatal Python error: Segmentation fault
Current thread 0x1 (most recent call first):
  File "/x/site-packages/pycocotools/mask.py", line 1 in decode
  File "/x/src/napari_utile/coco/masks.py", line 9 in mask_of
  File "/x/src/napari_utile/coco/checks.py", line 2 in check
"""
    assert place_in_stack(stack) == "coco/masks.py mask_of"
