"""What is written down of a training or comparison before it starts."""

from napari_utile.widgets.kit.launching import JobLaunch, job_writing


def test_a_run_that_is_resumed_has_the_job_it_had_and_begins_nothing_anew(
    home, qtbot, tmp_path
):
    launch, place = JobLaunch(), {"scale": [1, 2, 2]}
    qtbot.addWidget(launch.keep_running)
    launch.keep_running.setChecked(True)
    arguments = ["train", "in/em.zarr", "l.zarr", "--out", str(tmp_path / "run")]
    for more in ([], ["--overwrite"]):
        launch.describe([*arguments, *more], "unet", "em", tmp_path / "run", place)
        launch(["train"])
    (folder,) = (home / "trainings").iterdir()
    job = job_writing(tmp_path / "run")
    assert job.path == folder and job.outlives_window
    assert (job.record.kind, job.record.title) == ("train", "em → unet")
    assert list(job.record.arguments) == arguments
    shown = job.record.results[0]
    assert (shown.image, shown.name, shown.place) == ("em.zarr", "em", place)
