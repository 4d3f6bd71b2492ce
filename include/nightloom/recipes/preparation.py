"""Preparation section of a recipe: how rows are cleaned, judged and split before they become a snapshot."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from nightloom.core.manifests import Plain
from nightloom.recipes.limits import Limits
from nightloom.recipes.sources import Name, Source

Share = Annotated[float, Field(ge=0, lt=1)]

Action = Literal["redact", "quarantine", "keep"]
"""What happens to a text in which a scanner finds a match."""


class Normalise(Plain):
    """Normalisation of texts: which operations run, in this order."""

    fix_encoding: bool = Field(default=True, description="Repair UTF-8 that was decoded as another encoding.")
    html: bool = Field(default=False, description="Replace HTML by the text that it displays.")
    control_characters: bool = Field(
        default=True, description="Remove control characters, except tabs and line breaks."
    )
    invisible_characters: bool = Field(default=True, description="Remove zero-width characters, except joiners.")
    nfc: bool = Field(default=True, description="Compose a letter and its marks into one character (Unicode NFC).")
    whitespace: bool = Field(
        default=True,
        description="Use one kind of space and line break, and none at the ends of lines and text. Indentation, tabs "
        "and runs of spaces stay.",
    )
    single_spaces: bool = Field(
        default=False,
        description="Write one space for each run of spaces and tabs, indentation included, and at most one blank "
        "line in a row.",
    )

    @property
    def operations(self) -> tuple[str, ...]:
        """Names of the operations that are on, in their order."""
        return tuple(name for name in type(self).model_fields if getattr(self, name))


class Split(Plain):
    """Shares of the clusters that are held out of training."""

    selection: Share = Field(default=0.05, description="Share of the clusters for early stopping and ranking trials.")
    test: Share = Field(
        default=0.05,
        validate_default=True,
        description="Share of the clusters that neither train a model nor select one.",
    )

    @field_validator("test")
    @classmethod
    def _leaves_training(cls, test: float, info: ValidationInfo) -> float:
        if info.data.get("selection", 0) + test >= 0.9:
            msg = "selection and test leave less than a tenth of the clusters for training; make them smaller"
            raise ValueError(msg)
        return test


class PlantedRows(Plain):
    """A table of rows with known faults and expected outcomes. The report measures every check against it."""

    source: Source
    key: str = Field(description="Column of the row's key.")
    kind: str = Field(description="Column of the kind of fault.")
    outcome: str = Field(description="Column of the expected outcome.")
    rule: str = Field(description="Column of the rule that must decide the outcome.")


class Prepare(Plain):
    """How rows become a snapshot."""

    source: Source
    window_days: int = Field(default=30, ge=1, description="Days of data in the snapshot, up to the end of the cut.")
    min_rows: int = Field(default=1, ge=1, description="Refuse the night if it has fewer rows.")
    max_characters: int = Field(default=2000, ge=1, description="Quarantine a row with a text of more characters.")
    token_budget: int | None = Field(
        default=None,
        ge=1,
        description="Quarantine an example of more tokens, prompt and answer included; None for the base model's "
        "context length.",
    )
    normalise: Normalise = Field(default_factory=Normalise)
    near_duplicate_similarity: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Jaccard similarity of character 5-grams at which two texts are near-duplicates, 0 to 1.",
    )
    eval_containment: float = Field(
        default=0.7,
        gt=0,
        le=1,
        description="Quarantine a row if this share of its word 8-grams is in an evaluation item, or vice versa.",
    )
    near_duplicates: Literal["merge", "keep"] = Field(
        default="merge",
        description="`merge` keeps one row of a cluster; `keep` keeps every row and puts the cluster into one split.",
    )
    contradictions: Literal["quarantine", "majority", "keep"] = Field(
        default="quarantine",
        description="Equal or nearly equal texts with different values of a field with `one_of`: `quarantine` all of "
        "them, keep the `majority`, or `keep` all in one split.",
    )
    pii: Literal["redact", "quarantine", "keep"] = Field(
        default="redact", description="Action on personal data in a text."
    )
    secrets: Literal["quarantine", "keep"] = Field(
        default="quarantine", description="Action on keys and passwords in a text."
    )
    prompt_injections: Literal["quarantine", "keep"] = Field(
        default="quarantine", description="Action on a text that instructs the model."
    )
    scanners: dict[Name, Action] = Field(
        default_factory=dict, description="Action for each scanner that an installed package adds, by its name."
    )
    suite: str | None = Field(
        default=None,
        description="Name of a Great Expectations suite in include/expectations that runs besides the standard "
        "suites, or None for the standard suites alone.",
    )
    limits: Limits = Field(default_factory=Limits)
    split: Split = Field(default_factory=Split)
    planted_rows: PlantedRows | None = Field(
        default=None, description="Rows with known faults that measure the checks, or None if there are none."
    )

    @property
    def actions(self) -> dict[str, Action]:
        """The action of every scanner by its name: built-in scanners and those of other packages."""
        ours: dict[str, Action] = {
            "pii": self.pii,
            "secret": self.secrets,
            "prompt_injection": self.prompt_injections,
        }
        return ours | self.scanners
