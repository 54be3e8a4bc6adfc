"""Remove the guard against each fault, and see its test fail.

    xvfb-run -a python -m tests.faults.guards [FAULT ...]

Each guard is changed in a copy of the sources; then its test must fail. A test that passes
nevertheless proves nothing: it is listed, and the exit status is 1. Not part of the suite; it
takes a quarter of an hour. With --whole, the tests must first pass on the copy as it is.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).parents[2]
FAILED = 1
"""Exit status of pytest if tests ran and failed."""


class Guard(NamedTuple):
    """What protects from a fault: a piece of text, and what it is replaced by."""

    fault: int
    file: str
    there: str
    instead: str
    test: str
    """File in tests/faults, or the folder and file in tests; and test without its beginning."""


def guard(*given: object) -> Guard:
    return Guard(*given)  # type: ignore[arg-type]


GUARDS = [
    guard(1, "widgets/layers/pair.py", 'return "Choose an image layer: there is none yet."',
          'return ""', "window::a_missing_layer_is_named_and_nothing_starts"),
    guard(2, "engine/training/data/pair_check.py",
          "if _without_leading_ones(image.shape) != _without_leading_ones(labels.shape):",
          "if False:",
          "shell::shapes_that_differ_are_named_with_both_files"),
    guard(3, "engine/training/data/preparation.py", "if not np.isfinite(pixels).all():",
          "if False:", "training::a_pixel_that_is_no_number_is_named_by_image_and_slice"),
    guard(4, "arrays/labels.py", "if negative.size:", "if False:",
          "weights_and_labels::what_is_no_id_is_refused_by_type_and_id"),
    guard(5, "io/memory.py", "if nbytes > budget:", "if False:",
          "files::over_the_budget_says_size_budget_and_the_route"),
    guard(6, "arrays/targets.py", "        case [0]:\n", "        case [0] if False:\n",
          "weights_and_labels::labels_that_teach_nothing_are_refused_with_counts"),
    guard(7, "arrays/tiling.py", "period = max(2 * (size - 1), 1)", "period = 10**9",
          "models::images_smaller_than_the_margin_are_mirrored"),
    guard(8, "engine/prediction/run.py",
          "        except Exception as error:  # whatever it is, the other images may be",
          "        except ArithmeticError as error:  # whatever it is, the other images may be",
          "shell::bad_files_of_a_folder_are_named_and_the_others_done"),
    guard(9, "io/pictures.py", "if claimed > there * MAX_PICTURE_EXPANSION:", "if False:",
          "files::a_png_that_claims_too_much_is_refused"),
    guard(10, "io/pairs.py", "if any(twice.values()) or not pairs:", "if not pairs:",
          "shell::what_does_not_pair_up_is_named_before_anything"),
    guard(11, "coco/segmentations.py",
          "        _check_polygon(polygon, height, width, note)", "        pass",
          "coco::a_broken_annotation_is_named_or_skipped"),
    guard(12, "engine/prediction/resume.py", "if finished and not execution.overwrite:",
          "if False:", "shell::a_result_is_not_overwritten_unasked"),
    guard(13, "io/disk.py", "    except (OSError, ValueError) as error:\n        reason",
          "    except ZeroDivisionError as error:\n        reason",
          "files::a_path_that_cannot_be_written_is_refused_before"),
    guard(14, "engine/training/step.py", "if not torch.isfinite(loss):", "if False:",
          "training::a_loss_that_is_no_number_stops_and_the_best_is_kept"),
    guard(15, "engine/models/archives.py", "(check_sums and archive.testzip())", "False",
          "resume::a_damaged_checkpoint_falls_back_to_the_one_before"),
    guard(16, "engine/training/checkpoints.py",
          "(differences := kept.differences(self.plan))", "(differences := [])",
          "resume::another_run_is_refused_with_what_differs"),
    guard(17, "engine/training/step.py", "if not is_out_of_memory(error):", "if True:",
          "training::a_batch_that_does_not_fit_is_learnt_in_parts"),
    guard(18, "engine/training/failures.py", "if is_process_lost(error):", "if False:",
          "engine/training/distributed::the_death_of_one_process_is_said_and_nothing_is_lost"),
    guard(19, "io/disk.py", "with FileLock(lock, timeout=timeout, thread_local=False):",
          "with suppress():", "resume::a_second_training_into_one_folder_is_refused"),
    guard(20, "engine/prediction/run.py", "if not computed[number]]", "]",
          "prediction::only_missing_blocks_are_computed"),
    guard(21, "engine/prediction/resume.py",
          "if differences := started.differences(task.plan):", "if differences := []:",
          "prediction::what_changed_under_an_unfinished_output_is_named"),
    guard(22, "engine/prediction/tiled.py", "if not is_out_of_memory(error):", "if True:",
          "prediction::a_tile_that_does_not_fit_becomes_smaller_with_the_same_result"),
    guard(23, "engine/prediction/in_memory.py",
          "if stack.channels != model.in_channels:", "if False:",
          "models::channels_are_compared_before_anything_is_read"),
    guard(24, "engine/prediction/run.py", "        if failures:\n", "        if False:\n",
          "prediction::a_block_that_fails_does_not_cost_the_others"),
    guard(25, "widgets/layers/results.py", "layer.metadata.get(ON_DISK) == key", "False",
          "window::a_path_that_is_open_in_the_viewer_shows_what_is_written_next"),
    guard(26, "evaluation/rows.py", "        case _, 0, 0:\n", "        case _, 0, 7:\n",
          "evaluation::empty_on_both_sides_is_perfect_agreement"),
    guard(27, "evaluation/meaning.py", "low <= high <= 1 + HALF_PRECISION:", "low <= 10**9:",
          "evaluation::scores_that_are_no_probabilities_are_refused"),
    guard(28, "metrics/overlap.py", "np.int64", "np.int32",
          "evaluation::a_hundred_thousand_objects_equal_brute_force"),
    guard(29, "engine/models/archives.py", "weights_only=True", "weights_only=False",
          "models::code_is_refused_and_never_run"),
    guard(30, "engine/models/archives.py", "    _check_archive(path, check_sums)\n", "",
          "models::a_zip_bomb_is_not_unpacked"),
    guard(31, "engine/models/parameters.py", "if not torch.isfinite(value).all():",
          "if False:", "models::nan_weights_are_refused"),
    guard(32, "folders/model.py", "if not isinstance(card, dict):", "if False:",
          "models::a_foreign_package_is_not_opened"),
    guard(33, "folders/model.py", "written > CARD_FORMAT:", "written > 10**9:",
          "models::a_newer_model_is_told_by_both_versions"),
    guard(34, "widgets/kit/panel.py", "            self.controls.leave()", "            pass",
          "window::closing_the_panel_ends_what_nobody_would_see"),
    guard(35, "widgets/kit/background.py",
          "    except Exception as error:  # whatever it is, the panel",
          "    except ArithmeticError as error:  # whatever it is, the panel",
          "window::an_exception_while_preparing_is_one_notification"),
    guard(36, "widgets/layers/snapshots.py", "return cls(with_copied_pixels(stack), ",
          "return cls(stack, ",
          "window::layers_edited_removed_and_renamed_do_not_matter_to_a_run"),
    guard(37, "cli/display.py", "        if stop.asked:\n", "        if False:\n",
          "shell::a_cancelled_training_is_a_model_and_a_new_one_works"),
    guard(38, "io/disk.py", "        if not is_disk_full(error):\n            raise",
          "        raise",
          "disks::on_a_disk_that_grows_the_same_command_ends_as_on_a_large_one"),
    guard(39, "engine/devices.py", 'and "CUDA error" in str(error)', "and False",
          "prediction::a_gpu_that_is_lost_ends_the_run_which_goes_on_later"),
    guard(40, "engine/prediction/tiled.py", "        if side <= stride:\n",
          "        if False:\n",
          "prediction::too_little_memory_makes_a_block_smaller_or_the_run_end"),
]  # fmt: skip


def node(guard: Guard) -> str:
    """Return the name that pytest knows a test by."""
    path, _, name = guard.test.partition("::")
    folder, _, file = path.rpartition("/")
    return f"tests/{folder or 'faults'}/test_{file}.py::test_fault_{guard.fault:02}_{name}"


def tested(source: Path, *nodes: str) -> int:
    """Run tests on a copy of the sources; return the exit status of pytest."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *nodes]
    environment = os.environ | {"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=TOP, env=environment, stdout=subprocess.DEVNULL, check=False
    ).returncode


def without(guard: Guard, source: Path) -> int:
    """Return the status of a test while its guard is removed from a copy of the sources."""
    path = source / "napari_utile" / guard.file
    text = path.read_text(encoding="utf-8")
    if guard.there not in text:
        return -1
    path.write_text(text.replace(guard.there, guard.instead), encoding="utf-8")
    try:
        return tested(source, node(guard))
    finally:
        path.write_text(text, encoding="utf-8")


def main() -> int:
    """Remove one guard after the other; 1 if a test did not notice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faults", nargs="*", type=int, help="those of these numbers alone")
    parser.add_argument("--whole", action="store_true", help="first with every guard in place")
    given = parser.parse_args()
    chosen = [each for each in GUARDS if not given.faults or each.fault in given.faults]
    unnoticed = []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "src"
        shutil.copytree(TOP / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        if given.whole and (status := tested(source, *map(node, chosen))):
            print(f"with all guards in place pytest ends with {status}")
            return 1
        for each in chosen:
            status = without(each, source)
            ends = {FAILED: "failed", 0: "PASSED", -1: "THE GUARD IS NOT THERE"}
            print(f"{each.fault:02} {ends.get(status, status)}: {each.test}", flush=True)
            if status != FAILED:
                unnoticed.append(each.fault)
    print(f"unnoticed: {unnoticed}" if unnoticed else f"{len(chosen)} guards were missed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    raise SystemExit(main())
