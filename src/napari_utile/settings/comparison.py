"""Options of a comparison of networks."""

from typing import Any

from pydantic import ValidationInfo, field_validator, model_validator

from napari_utile.settings.network_choice import NetworkChoice
from napari_utile.settings.options import (
    NETWORK_NAMES,
    SLICE_NETWORKS,
    VOLUME_NETWORKS,
    Seed,
    axes_seen,
    option,
)
from napari_utile.settings.training import TrainingOptions, TrainSettings


class CompareSettings(TrainingOptions):
    """Which networks are compared, and how each of them is trained."""

    networks: tuple[str, ...] = option(
        SLICE_NETWORKS,
        "Kinds of networks that are trained and compared: each takes its own time",
        main=True,
        min_length=1,
        validate_default=True,
    )
    seeds: tuple[Seed, ...] = option(
        (0,),
        "Whole numbers, from which all random choices follow: every network is trained once "
        "for each, so more take longer, and show what is due to chance",
        main=True,
        min_length=1,
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_a_single_one(cls, given: Any) -> Any:
        for name in NetworkChoice.model_fields:
            if isinstance(given, dict) and name in given:
                raise ValueError(f"{name}: a comparison has several; name them in {name}s")
        return given

    @field_validator("networks")
    @classmethod
    def _refuse_networks_that_do_not_fit(
        cls, networks: tuple[str, ...], others: ValidationInfo
    ) -> tuple[str, ...]:
        if unknown := [name for name in networks if name not in NETWORK_NAMES]:
            raise ValueError(
                f"there is no network {unknown[0]!r}; there are {', '.join(NETWORK_NAMES)}"
            )
        if len({axes_seen(name) for name in networks}) > 1:
            raise ValueError(
                "networks of volumes and networks of slices do not share a split: compare "
                f"{', '.join(VOLUME_NETWORKS)} by themselves"
            )
        if others.data.get("target") == "affinities" and axes_seen(networks[0]) == 2:
            raise ValueError(
                "affinities are learnt by networks of volumes: compare "
                f"{', '.join(VOLUME_NETWORKS)}, or choose the target instances"
            )
        return tuple(dict.fromkeys(networks))

    @field_validator("seeds")
    @classmethod
    def _count_seeds_once(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(dict.fromkeys(seeds))

    def candidate(self, network: str, seed: int) -> TrainSettings:
        """Return the settings that one of the networks is trained with."""
        shared = self.model_dump(exclude={"networks", "seeds"})
        return TrainSettings(**shared, network=network, seed=seed)
