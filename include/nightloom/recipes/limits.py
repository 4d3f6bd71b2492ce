"""Limits: how far a night's batch may differ from earlier nights."""

from pydantic import Field

from nightloom.core.manifests import Plain


class Volume(Plain):
    """Limits on a night's number of rows, relative to the nights before it."""

    nights: int = Field(
        default=7, ge=3, le=60, description="Number of earlier nights whose median is the usual number of rows."
    )
    at_least: float | None = Field(
        default=0.5, ge=0, le=1, description="Lower limit as a factor of that median, or None for no lower limit."
    )
    at_most: float | None = Field(
        default=3.0, ge=1, description="Upper limit as a factor of that median, or None for no upper limit."
    )


class Limits(Plain):
    """Limits on the difference between a night's batch and earlier nights. A night beyond a limit is refused."""

    volume: Volume | None = Field(
        default_factory=Volume, description="Limits on the number of rows in the window, or None for no limit."
    )
    new_rows: Volume | None = Field(
        default=None,
        description="Limits on the number of rows from the night's cut, or None for no limit. "
        "Enable only if the source receives rows every day of the week.",
    )
    label_drift: float | None = Field(
        default=0.25,
        gt=0,
        le=1,
        description="Largest total variation distance (0 to 1) between the labels of an answer field with `one_of` "
        "and those of the last snapshot, or None for no limit.",
    )
    text_length_drift: float | None = Field(
        default=0.25,
        gt=0,
        le=1,
        description="Largest total variation distance (0 to 1) between the text lengths, counted in powers of two, "
        "and those of the last snapshot, or None for no limit.",
    )
    freshness_hours: float | None = Field(
        default=None,
        gt=0,
        description="Refuse the night if the newest row is older than this many hours at the cut, or None for no "
        "limit. Needs `task.columns.updated_at`.",
    )
