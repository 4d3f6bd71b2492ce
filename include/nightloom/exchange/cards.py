"""Cards: a model's README.md in the format of the Hub, without row texts and without the time of writing."""

import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from nightloom.artifacts.data import Snapshot
from nightloom.artifacts.results import Comparison, Metric, Verdict
from nightloom.artifacts.showing import show_difference, show_metric, show_number, show_role, style_of
from nightloom.exchange.lineage import Lineage

_LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Values that vLLM accepts as `--max-lora-rank`."""

_SERVED_UNMERGED = frozenset(
    [
        *("r", "lora_alpha", "use_rslora", "target_modules", "exclude_modules"),
        *("layers_to_transform", "layers_pattern", "fan_in_fan_out"),
        *("lora_dropout", "init_lora_weights", "eva_config", "inference_mode"),  # of training only
        *("peft_type", "task_type", "peft_version", "base_model_name_or_path", "revision", "auto_mapping"),
        *("megatron_core", "qalora_group_size", "ensure_weight_tying"),  # without effect by themselves
    ]
)
"""Settings of an adapter that vLLM follows, or that change no answer. vLLM refuses or ignores others."""


def write_card(lineage: Lineage, snapshot: Snapshot | None, *, merged: bool, lora: dict[str, Any]) -> str:
    """Return the card of a model as Markdown.

    Args:
        lineage: Lineage of the model.
        snapshot: Snapshot that the model was trained on, or None if this store does not have it.
        merged: Whether the adapter is merged into its base model.
        lora: The adapter's configuration, as peft writes it. Empty for a fully fine-tuned model.
    """
    verdict = lineage.verdicts[-1].content if lineage.verdicts else None
    location, revision = split_source(lineage)
    rank = int(lora.get("r") or 0)
    parity = next((one for one in lineage.parities if verdict and one.id == verdict.parity), None)
    body = _open_template().render(
        name=_name(lineage),
        method=lineage.adapter.content.method,
        merged=merged,
        whole=merged or not lora,
        only_merged=[name for name, value in sorted(lora.items()) if _needs_merge(name, value)],
        rank=next((one for one in _LORA_RANKS if one >= rank), rank),
        task=lineage.task,
        template_kwargs=lineage.task.chat_template_kwargs if lineage.task else {},
        max_new_tokens=lineage.blueprint.content.max_new_tokens if lineage.blueprint else None,
        imported_from=lineage.imported.provenance.source if lineage.imported else None,
        source=lineage.base.provenance.source if lineage.base else None,
        location=location,
        revision=revision,
        license=lineage.base.provenance.license if lineage.base else None,
        blueprint=lineage.blueprint,
        trial=lineage.trial,
        snapshot=snapshot,
        prompt=lineage.prompt,
        verdict=verdict,
        metrics=_list_metrics(lineage.verdicts[-1]) if verdict else (),
        parity=parity,
        manifests=lineage.list_manifests(),
    )
    return f"---\n{_write_front(lineage, whole=merged or not lora)}\n---\n\n{body}"


def _needs_merge(name: str, value: Any) -> bool:
    """Whether vLLM would refuse an unmerged adapter with this setting, or ignore the setting."""
    return bool(value) and name not in _SERVED_UNMERGED and (name, value) != ("bias", "none")


def split_source(lineage: Lineage) -> tuple[str, str | None]:
    """Return the name or path of the base model for transformers, and its revision."""
    source = lineage.base.provenance.source if lineage.base else lineage.adapter.content.base
    location, _, revision = source.partition("@")
    return location, revision or None


def _write_front(lineage: Lineage, *, whole: bool) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    location, _ = split_source(lineage)
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=_plain(eval_set),
            dataset_name=_plain(eval_set),
            metric_type="accuracy" if metric.scale.kind == "binary" else metric.scorer.partition("/")[0],
            metric_name=show_metric(metric),
            metric_value=round(metric.value, 6),
        )
        for eval_set, metric in (_list_metrics(lineage.verdicts[-1]) if lineage.verdicts else ())
        if metric.value is not None
    ]
    front = ModelCardData(
        model_name=_name(lineage),
        # The Hub would take any other name for one of its repositories.
        base_model=location if re.fullmatch(r"[\w.-]+/[\w.-]+", location) else None,
        library_name="transformers" if whole else "peft",
        license=lineage.base.provenance.license if lineage.base else None,
        pipeline_tag="text-generation",
        tags=["nightloom", lineage.adapter.content.method],
        eval_results=results or None,
    )
    return front.to_yaml()


def _list_metrics(verdict: Verdict) -> list[tuple[str, Metric]]:
    """Return the candidate's metrics over all items, with the eval set of each."""
    scores = [one for one in verdict.content.scores if one.role == "candidate"]
    return [(one.eval_set, metric) for one in scores for metric in one.metrics if metric.slice is None]


def _show_difference(comparison: Comparison) -> str:
    return show_difference(comparison, style_of(comparison.scale).signed)


def _name(lineage: Lineage) -> str:
    made = lineage.blueprint or lineage.imported
    return _plain(f"{made.content.recipe if made else 'adapter'}-{lineage.adapter.id[:12]}")


def _plain(value: Any) -> str:
    """Return a value on one line, without characters of links, tables or tags in Markdown or HTML."""
    line = re.sub(r"[\x00-\x1f\x7f]+", " ", str(value))
    return re.sub(r"[`|<>]", "", line).replace("](", "] (").strip()


@cache
def _open_template() -> Template:
    environment = Environment(
        loader=PackageLoader("nightloom.exchange", ""),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # Manifests from elsewhere hold untrusted text, and Markdown has no escaping like HTML's.
        autoescape=False,  # noqa: S701  # `finalize` removes markup of Markdown and HTML
        finalize=lambda value: value if isinstance(value, int) else _plain(value),
    )
    environment.filters |= {"difference": _show_difference, "number": show_number, "role": show_role}
    return environment.get_template("card.md.j2")
