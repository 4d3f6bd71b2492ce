"""Manifests of a small night of recipe `triage`; tests may override any field."""

from typing import Any

from nightloom.artifacts.blueprints import Blueprint, BlueprintProvenance, BlueprintSpec, EvalSetUse, TrialPlan
from nightloom.artifacts.data import Preparation, PreparationContent
from nightloom.artifacts.models import TaskSpec
from nightloom.artifacts.results import Comparison, Metric, Verdict, VerdictContent
from nightloom.artifacts.training import Trial, TrialResult, identify_trial
from nightloom.core.nights import compute_cut, parse_night
from nightloom.evaluation.scorers import EXACT_MATCH

BASE = "b" * 64
NIGHT = "2026-11-23"
TASK = TaskSpec(prompt="c" * 64, output="json", answer={"team": None}, field_order=("team",))


def make_preparation(*, night: str = NIGHT, **fields: Any) -> Preparation:
    cut = compute_cut("triage", parse_night(night), "UTC")
    given: dict[str, Any] = {
        "recipe": "triage",
        "night": night,
        "cut_from": cut.cut_from,
        "cut_to": cut.cut_to,
        "records": "0" * 64,
        "eval_sets": (),
        "snapshot": "1" * 64,
        "curated": "0" * 64,
        "ledger": (),
        "quarantine": (),
        "rows_in": 0,
        "counts": (),
        "expectations": (),
    }
    return Preparation(content=PreparationContent(**{**given, **fields}))


def make_blueprint(*, night: str = NIGHT, **fields: Any) -> Blueprint:
    given: dict[str, Any] = {
        "recipe": "triage",
        "snapshot": "1" * 64,
        "base": BASE,
        "task": TASK,
        "primary": "team",
        "eval_sets": (EvalSetUse(name="clean", evalset="e" * 64, items=500, minimum_detectable_effect=0.04),),
        "max_new_tokens": 16,
        "trials": (TrialPlan(trainer="dummy", method="lora", lora={}, settings={}, seed=20),),
        "promote_on": "better",
        "margin": 0.02,
        "confidence": 0.95,
        "code": {"training": "d" * 64},
        "packages": {"torch": "2.13.0"},
    }
    made_on = BlueprintProvenance(night=night, packages={}, python="3.11.7", machine="Linux x86_64, 2 CPUs")
    return Blueprint(content=BlueprintSpec(**{**given, **fields}), provenance=made_on)


def make_trial(blueprint: Blueprint, adapter: str, *, number: int = 0, **fields: Any) -> Trial:
    given: dict[str, Any] = {
        "adapter": adapter,
        "steps": 9,
        "kept_step": 9,
        "examples": 1,
        "tokens": 40,
        "label_tokens": 8,
        "left_out": 0,
        "final_loss": 0.25,
        "seconds": 1.5,
        "tokens_per_second": 26.7,
        "curve": (),
    }
    return Trial(key=identify_trial(blueprint.content, number), result=TrialResult(**{**given, **fields}))


def make_verdict(**fields: Any) -> Verdict:
    given: dict[str, Any] = {
        "recipe": "triage",
        "night": NIGHT,
        "blueprint": "2" * 64,
        "candidate": "a" * 64,
        "champion": None,
        "baseline": BASE,
        "scores": (),
        "comparisons": (),
        "deciding": None,
        "finding": "BETTER",
        "gates": (),
        "promote": True,
        "reason": "better than the baseline",
    }
    return Verdict(content=VerdictContent(**{**given, **fields}))


def make_metric(**fields: Any) -> Metric:
    given = {"name": "team", "scorer": "exact_match/1", "scale": EXACT_MATCH, "value": 0.9125, "n": 640}
    return Metric(**{**given, "low": 0.887, "high": 0.932, **fields})


def make_comparison(**fields: Any) -> Comparison:
    given: dict[str, Any] = {
        "against": "champion",
        "eval_set": "held_out",
        "metric": "team",
        "scorer": "exact_match/1",
        "scale": EXACT_MATCH,
        "n": 640,
        "clusters": 640,
        "difference": 0.021,
        "low": -0.006,
        "high": 0.049,
        "p_value": 0.1,
        "margin": 0.02,
        "finding": "INCONCLUSIVE",
    }
    return Comparison(**{**given, **fields})
