"""Ids: one type per kind of manifest, so that mypy distinguishes a verdict's id from an adapter's.

An id is text that names a manifest of its kind. `Manifest.id` and `Manifest.id_of` return the kind's type;
`Manifest.as_id` converts text from outside.
"""

from typing import Annotated, NewType

from nightloom.core.names import Names

AdapterId = NewType("AdapterId", Annotated[str, Names("adapter")])
BaseId = NewType("BaseId", Annotated[str, Names("base")])
BlueprintId = NewType("BlueprintId", Annotated[str, Names("blueprint")])
CheckpointId = NewType("CheckpointId", Annotated[str, Names("checkpoint")])
CuratedId = NewType("CuratedId", Annotated[str, Names("curated")])
EvalSetId = NewType("EvalSetId", Annotated[str, Names("evalset")])
ImportId = NewType("ImportId", Annotated[str, Names("import")])
ParityId = NewType("ParityId", Annotated[str, Names("parity")])
PredictionPlanId = NewType("PredictionPlanId", Annotated[str, Names("prediction_plan")])
PredictionsId = NewType("PredictionsId", Annotated[str, Names("predictions")])
PreparationId = NewType("PreparationId", Annotated[str, Names("preparation")])
PromptId = NewType("PromptId", Annotated[str, Names("prompt")])
RecordsId = NewType("RecordsId", Annotated[str, Names("records")])
ReportId = NewType("ReportId", Annotated[str, Names("report")])
ScoresId = NewType("ScoresId", Annotated[str, Names("scores")])
SnapshotId = NewType("SnapshotId", Annotated[str, Names("snapshot")])
TrialId = NewType("TrialId", Annotated[str, Names("trial")])
VerdictId = NewType("VerdictId", Annotated[str, Names("verdict")])
