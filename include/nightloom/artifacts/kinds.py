"""Kinds: the list of all manifest classes."""

from nightloom.artifacts import answers, blueprints, data, models, predictions, prompts, results, stages, training
from nightloom.core.manifests import Manifest
from nightloom.core.replacements import Replacement

KINDS: dict[str, type[Manifest]] = {
    kind.kind: kind
    for kind in (
        *(data.Records, data.EvalSetManifest, data.Snapshot, data.Curated, data.Curation, data.Preparation),
        *(
            models.BaseModelManifest,
            models.Starter,
            models.Download,
            models.Rendering,
            models.TaskRendering,
            models.Adapter,
            models.Import,
            blueprints.Blueprint,
        ),
        *(training.Tokens, training.Trial, training.Checkpoint),
        *(training.Rung, training.Divergence, training.Ranking),
        *(
            answers.Answers,
            results.ItemTokens,
            results.Scores,
            results.Parity,
            results.Verdict,
            predictions.PredictionPlan,
            predictions.PredictionShard,
            predictions.Predictions,
        ),
        *(results.Report, prompts.Prompt, Replacement, stages.StageResult),
    )
}
"""Manifest classes by kind. A store with other kinds was written by another version."""
