"""Nights for a report: the results of each stage, up to the stage that a test chooses."""

import math
import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import polars as pl
from nightloom.artifacts.answers import Found
from nightloom.artifacts.blueprints import Blueprint, EvalSetUse, TrialPlan, number_configurations
from nightloom.artifacts.data import (
    Curated,
    EvalSetContent,
    EvalSetManifest,
    EvalSetProvenance,
    EvalSetRows,
    Expectation,
    PlantedResult,
    Preparation,
    Records,
    RecordsContent,
    RuleCount,
    Snapshot,
    SnapshotContent,
    SnapshotProvenance,
)
from nightloom.artifacts.frames import CONTAMINATION, put_frame
from nightloom.artifacts.models import Checks, ModelRef, specify_task
from nightloom.artifacts.predictions import (
    PredictionPlan,
    PredictionPlanContent,
    Predictions,
    PredictionsContent,
    ScannedAnswers,
)
from nightloom.artifacts.prompts import Prompt, PromptContent, PromptMessage, PromptProvenance
from nightloom.artifacts.results import Comparison, Finding, GateResult, Metric, ModelScores, Verdict
from nightloom.artifacts.training import HeldOutLoss, LossPoint, Ranking, TrialRank
from nightloom.core.digests import digest_json
from nightloom.core.nights import compute_cut
from nightloom.core.store import ObjectStore
from nightloom.evaluation.scorers import EXACT_MATCH, Valid
from nightloom.recipes.schema import Recipe
from nightloom.recipes.training import Pruning
from nightloom.registry.database import Database
from nightloom.registry.nights import begin_stage, end_stage, record_night
from nightloom.registry.refs import move_ref
from nightloom.registry.tables import TrialRow

from tests.factories.manifests import (
    BASE,
    make_blueprint,
    make_comparison,
    make_metric,
    make_preparation,
    make_trial,
    make_verdict,
)

NIGHT = date(2026, 11, 23)
NAME = "support_triage"
GPU = "NVIDIA H100 80GB HBM3"

RECIPE = Recipe.model_validate(
    {
        "name": NAME,
        "description": "Which team answers a support ticket, and how soon",
        "owner": "support-platform",
        "timezone": "Europe/Berlin",
        "task": {
            "columns": {"key": "id", "text": "body"},
            "answer": {"team": {"column": "team"}, "urgency": {"column": "urgency"}},
            "primary": "team",
            "prompt": "support_triage/1",
        },
        "prepare": {"source": {"kind": "files", "path": "tickets.csv"}},
        "evaluate": {
            "sets": [{"name": "held_out", "source": {"kind": "files", "path": "e.csv"}, "columns": {"text": "body"}}]
        },
    }
)

TASK = specify_task(RECIPE.task, Prompt.as_id("c" * 64))
COUNTS = (
    ("kept", None, 10412),
    ("repaired", "fix_encoding", 61),
    ("repaired", "pii", 188),
    ("merged", "exact_duplicate", 240),
    ("merged", "near_duplicate", 131),
    ("superseded", "newer_version", 402),
    ("quarantined", "contradicting_labels", 54),
    ("quarantined", "empty_text", 12),
    ("quarantined", "in_eval_set", 9),
    ("quarantined", "invalid_answer", 3),
    ("quarantined", "prompt_injection", 17),
    ("quarantined", "secret", 22),
    ("quarantined", "too_long", 8),
)
PLANTED = (
    ("broken_encoding", "repaired", "fix_encoding", 24, 24),
    ("contradicting_labels", "quarantined", "contradicting_labels", 40, 40),
    ("empty_text", "quarantined", "empty_text", 12, 12),
    ("exact_duplicate", "merged", "exact_duplicate", 60, 60),
    ("near_duplicate", "merged", "near_duplicate", 60, 59),
    ("card_number", "repaired", "pii", 40, 40),
    ("mail_address", "repaired", "pii", 40, 40),
    ("prompt_injection", "quarantined", "prompt_injection", 16, 16),
    ("secret", "quarantined", "secret", 20, 20),
    ("wrong_label", "kept", "", 90, 90),
)
EVAL_ROWS = EvalSetRows(
    name="held_out",
    counts=(
        RuleCount(outcome="kept", rule=None, rows=640),
        RuleCount(outcome="merged", rule="exact_duplicate", rows=4),
        RuleCount(outcome="quarantined", rule="invalid_answer", rows=21),
        RuleCount(outcome="quarantined", rule="same_version", rows=2),
    ),
    unused={"team": ("returns",)},
)
EXPECTATIONS = (
    ("records", "expect_column_values_to_not_be_null", "row_id", True, 0),
    ("records", "expect_column_values_to_be_unique", "row_id", True, 0),
    ("examples", "expect_column_values_to_be_in_set", "team", True, 0),
    ("examples", "expect_column_value_lengths_to_be_between", "text", False, 3),
)
VOLUME = Expectation(
    suite="records_batch",
    name="expect_volume_to_resemble_earlier_nights",
    column="received",
    success=True,
    unexpected=0,
    measured=1.0214,
    limit="at least 0.5 and at most 3",
)
PLANS = tuple(
    TrialPlan(trainer="trl", method="lora", lora={"r": 32}, settings={"learning_rate": rate}, seed=seed)
    for rate in (2e-4, 1e-3, 4e-3, 2e-3)
    for seed in (20, 21)
)
SPANS: dict[Finding, tuple[float, float]] = {
    "BETTER": (0.006, 0.041),
    "NOT_WORSE": (-0.012, 0.030),
    "WORSE": (-0.052, -0.004),
    "INCONCLUSIVE": (-0.031, 0.034),
}
RIGHT_ITEMS = {"candidate": 584, "champion": 569, "baseline": 78, "linear_classifier": 560}


class Nights:
    """Publishes the manifests, outcomes and refs of the stages."""

    def __init__(self, store: ObjectStore, database: Database) -> None:
        self.store, self.database, self.recipe = store, database, NAME
        self.champion: str | None = None

    def begin(self, night: date, stage: Any) -> None:
        begin_stage(self.database, NAME, night, stage)

    def end(self, night: date, stage: Any, status: Any, message: str, manifest: str | None = None) -> None:
        end_stage(self.database, NAME, night, stage, status, message, manifest)

    def prepare(self, night: date, *, new_rows: int = 812, planted: Any = PLANTED) -> Preparation:
        record_night(self.database, compute_cut(NAME, night, "Europe/Berlin"))
        content = RecordsContent(
            rows=11559, new_rows=new_rows, parts=(digest("records", str(night)),), unread={"mood": 12}
        )
        records = self.store.publish(Records(content=content))
        curated = self._curate(records.id)
        preparation = make_preparation(
            recipe=NAME,
            night=str(night),
            records=records.id,
            eval_sets=curated.content.eval_sets,
            eval_rows=(EVAL_ROWS,),
            snapshot=self._freeze(night).id,
            curated=curated.id,
            rows_in=11559,
            counts=tuple(RuleCount(outcome=o, rule=r, rows=n) for o, r, n in COUNTS),
            expectations=(
                *(Expectation(suite=s, name=n, column=c, success=ok, unexpected=u) for s, n, c, ok, u in EXPECTATIONS),
                VOLUME,
            ),
            planted=tuple(
                PlantedResult(kind=k, outcome=o, rule=r, planted=p, as_expected=a, false_positives=1 if r else None)
                for k, o, r, p, a in planted
            ),
            other_rows=10950,
            other_rows_changed=14,
        )
        self.end(night, "prepare", "done", f"11,559 rows in, {new_rows} new", self.store.publish(preparation).id)
        return preparation

    def compile(self, night: date, plans: Any = PLANS[:1]) -> Blueprint:
        prompt = Prompt(
            content=PromptContent(messages=(PromptMessage(role="user", content="{{ text }}"),)),
            provenance=PromptProvenance(name="support_triage/1"),
        )
        use = EvalSetUse(name="held_out", evalset=digest("held_out"), items=640, minimum_detectable_effect=0.035)
        blueprint = make_blueprint(
            recipe=NAME,
            night=str(night),
            snapshot=digest("snapshot", str(night)),
            task=TASK.model_copy(update={"prompt": self.store.publish(prompt).id}),
            eval_sets=(use,),
            trials=tuple(plans),
            pruning=Pruning(rungs=(0.25,), keep=0.5) if len(plans) > 1 else None,
        )
        return self.store.publish(blueprint)

    def rank(self, blueprint: Blueprint, *, to_the_end: bool = True) -> None:
        """Rank the trials by losses that fall with the number of their configuration; half survive."""
        configurations = number_configurations(blueprint.content.trials)
        ranked = sorted(range(len(configurations)), key=lambda number: (-configurations[number], number))
        kept = [number for number in ranked if configurations[number] >= (max(configurations) + 1) / 2]
        rungs = [(ranked, kept), (kept, kept[:1])] if blueprint.content.pruning else [(ranked, ranked[:1])]
        for rung, (standing, left) in enumerate(rungs if to_the_end else rungs[:1]):
            ranks = tuple(
                TrialRank(
                    trial=number,
                    configuration=configurations[number],
                    held_out=held_out(75 + 225 * rung, configurations[number], number),
                )
                for number in standing
            )
            result = Ranking.Result(ranks=ranks, survivors=tuple(sorted(left)))
            self.store.publish(Ranking(key=Ranking.Key(blueprint=blueprint.id, rung=rung), result=result))
        for number in range(len(configurations)):
            self._note_progress(blueprint, number, 74.2 if number in kept else 20.4)

    def finetune(
        self,
        night: date,
        finding: Finding = "BETTER",
        *,
        move: bool = True,
        slices: Any = ("seen", "unseen"),
        plans: Any = PLANS[:1],
        parity: str | None = None,
    ) -> Verdict:
        """Compare a candidate, and promote it if the verdict says so; several plans are ranked and pruned first."""
        blueprint, candidate = self.compile(night, plans), digest("adapter", str(night))
        self.rank(blueprint)
        self._train(blueprint, candidate)
        promote, (low, high) = finding == "BETTER", SPANS[finding]
        against = "champion" if self.champion else "baseline"
        reason = f"team 0.912 against {against}: {(low + high) / 2:+.3f} [{low:+.3f}, {high:+.3f}]: {finding}"
        verdict = make_verdict(
            recipe=NAME,
            night=str(night),
            blueprint=blueprint.id,
            candidate=candidate,
            champion=self.champion,
            parity=parity,
            scores=tuple(self._score(slices)),
            comparisons=tuple(self._compare(finding)),
            deciding=0,
            finding=finding,
            gates=(GateResult(name="primary", passed=promote, message="" if promote else "the champion stays"),),
            promote=promote,
            reason=reason,
        )
        self.end(night, "finetune", "done", reason, self.store.publish(verdict).id)
        if promote and move:
            moved = {"recipe": NAME, "name": "champion", "expected": self.champion, "value": candidate, "night": night}
            move_ref(self.database, **moved, who="nightloom", why=reason, cites=verdict.id)
            self.champion = candidate
        return verdict

    def predict(self, night: date, rows: int = 240) -> Predictions:
        counts = {"succeeded": rows - 9, "invalid_output": 3, "blocked": 4, "failed": 2, "expired": 0}
        content = PredictionPlanContent(
            recipe=NAME,
            night=str(night),
            model=ModelRef(base=BASE, adapter=self.champion),
            task=TASK,
            max_new_tokens=64,
            checks=Checks(max_characters=2000, operations={}, actions={}, scanners={}),
            shards=(),
            rows=rows,
            code=digest("code"),
            packages={},
        )
        plan = self.store.publish(PredictionPlan(content=content))
        found = (Found(scanner="pii", kind="EMAIL_ADDRESS", number=3), Found(scanner="secret", kind="jwt", number=1))
        answers = ScannedAnswers(found=found, redacted=2, withheld=1)
        done = Predictions(
            content=PredictionsContent(plan=plan.id, files=(), counts=counts, answers=answers, rows=rows)
        )
        self.end(night, "predict", "done", f"{rows} rows", self.store.publish(done).id)
        return done

    def _curate(self, records: str) -> Curated:
        """Publish a curation of two eval sets.

        Of the 640 items of the first, 7 are repeated, 2 of them with other numbers, and 3 are too short to be measured.
        """
        sets = [
            EvalSetManifest(
                content=EvalSetContent(name=name, rows_root=digest(name), items=items),
                provenance=EvalSetProvenance(frame=digest("items", name)),
            )
            for name, items in (("held_out", 640), ("chats", 20))
        ]
        lines = [
            (each.id, str(item), *verdict, None, None, 0.0, 0.0, 0.0, 0.0, None)
            for each, verdicts in zip(
                sets, ([(False, False)] * 5 + [(False, True)] * 2 + [(None, False)] * 3, []), strict=True
            )
            for item, verdict in enumerate([*verdicts, *[(True, False)] * (each.content.items - len(verdicts))])
        ]
        content = Curated.Content(
            records=records,
            eval_sets=tuple(self.store.publish(each).id for each in sets),
            parent=None,
            releases=None,
            operations={},
            scanners={},
            tokens=None,
            examples=(),
            ledger=(),
            quarantine=(),
            contamination=put_frame(self.store, pl.DataFrame(lines, CONTAMINATION, orient="row"), CONTAMINATION),
            counts=(),
            expectations=(),
            refusal=None,
        )
        return self.store.publish(Curated(content=content))

    def _freeze(self, night: date) -> Snapshot:
        splits = {"train": 9594, "selection": 533, "test": 534}
        rows_root = digest("rows", str(night))
        content = SnapshotContent(rows_root=rows_root, columns=("row_id", "text"), splits=splits)
        provenance = SnapshotProvenance(files=(), recipe=NAME, night=str(night), parent=None)
        return self.store.publish(Snapshot(content=content, provenance=provenance))

    def _train(self, blueprint: Blueprint, adapter: str) -> None:
        configurations = number_configurations(blueprint.content.trials)
        losses = ((step, 2.4 * math.exp(-step / 70) + 0.21 + 0.05 * math.sin(step)) for step in range(20, 301, 20))
        trial = make_trial(
            blueprint,
            adapter,
            number=configurations.index(max(configurations)),
            steps=300,
            kept_step=225,
            examples=9594,
            tokens=612_000,
            label_tokens=201_000,
            left_out=4,
            changed_answers=3,
            final_loss=0.2187,
            seconds=74.2,
            tokens_per_second=8246.0,
            curve=tuple(LossPoint(step=step, loss=round(loss, 4), learning_rate=4e-3) for step, loss in losses),
            held_out=tuple(
                held_out(step, configuration, 0) for step, configuration in ((75, 0), (150, 2), (300, 2), (225, 3))
            ),
            device=GPU,
            adjustments=("the batch was halved to 8 and accumulation doubled: 16 did not fit the memory",),
        )
        self.store.publish(trial)

    def _note_progress(self, blueprint: Blueprint, number: int, seconds: float) -> None:
        moment = datetime(2026, 11, 23, 1)  # noqa: DTZ001  # as the registry keeps it
        line = {"step": 300, "steps": 300, "device": GPU, "started_at": moment, "seen_at": moment}
        with self.database.transaction() as session:
            trial = make_trial(blueprint, "", number=number).id
            session.merge(TrialRow(trial=trial, seconds=seconds, finished_at=moment, **line))

    def _score(self, slices: Any) -> Iterator[ModelScores]:
        for role, right in RIGHT_ITEMS.items():
            if role == "champion" and self.champion is None:
                continue
            hits = {"team": right, "urgency": min(640, right + 20), "exact": right - 14, "valid": 638}
            metrics = []
            for name in ("team",) if role == "linear_classifier" else hits:
                metrics.append(rate(name, None, hits[name], 640))
                parts = zip(slices, (512, 128), (8, -8), strict=False)
                metrics += [
                    rate(name, part, min(n, round(hits[name] * n / 640) + extra), n) for part, n, extra in parts
                ]
            cut = {"candidate": 3, "baseline": 640}.get(role, 0)
            scores = digest("scores", role)
            yield ModelScores(role=role, eval_set="held_out", scores=scores, metrics=tuple(metrics), cut=cut)

    def _compare(self, finding: Finding) -> Iterator[Comparison]:
        spans = {
            "champion": (finding, *SPANS[finding]),
            "baseline": ("BETTER", 0.74, 0.83),
            "linear_classifier": ("NOT_WORSE", -0.01, 0.07),
        }
        if self.champion is None:
            spans["baseline"] = spans.pop("champion")
        for against, (found, low, high) in spans.items():
            yield make_comparison(
                against=against,
                only_candidate=31,
                only_other=16,
                difference=round((low + high) / 2, 4),
                low=low,
                high=high,
                p_value=0.04,
                finding=found,
            )


def digest(*parts: Any) -> str:
    return digest_json(list(parts))


def held_out(step: int, configuration: float, number: int) -> HeldOutLoss:
    """Return a loss that falls with the configuration's number and over steps; the second seed is worse."""
    loss = round(0.62 - 0.06 * configuration - step / 3000 + 0.01 * (number % 2) * (1 + configuration % 2 / 4), 4)
    return HeldOutLoss(step=step, loss=loss, low=round(loss - 0.04, 4), high=round(loss + 0.04, 4), n=533)


def rate(name: str, part: str | None, right: int, n: int) -> Metric:
    value = right / n
    half = 1.96 * math.sqrt(value * (1 - value) / n) + 0.004
    scorer, scale = ("valid/1", Valid.scale) if name == "valid" else ("exact_match/1", EXACT_MATCH)
    low, high = round(max(0, value - half), 4), round(min(1, value + half), 4)
    return make_metric(name=name, scorer=scorer, scale=scale, slice=part, value=value, n=n, low=low, high=high)


def words_of(svg: str) -> list[str]:
    """Return the texts of a figure."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)
