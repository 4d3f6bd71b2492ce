"""Texts: what a row says, piece by piece (its turns and its answers in free text), cleaned and put back."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from nightloom.artifacts.frames import HISTORY
from nightloom.curation.answers import decode_answers, encode_answers
from nightloom.curation.outcomes import OPEN, quarantine
from nightloom.recipes.schema import AnswerField, Prepare
from nightloom.scanners.clean import clean_texts
from nightloom.scanners.normalise import OPERATIONS

# Other pieces go by the name of their field of the answer, after a dot.
_TEXT, _TURN, _SYSTEM = "text", "turn", "system"
_NO_LIMIT = (1 << 32) - 1  # characters that no text has
_PIECES = {"place": pl.UInt32, "piece": pl.String, "turn": pl.UInt32, "text": pl.String}


def clean_rows(
    rows: pl.DataFrame, answer: Mapping[str, AnswerField], settings: Prepare, releases: pl.DataFrame
) -> pl.DataFrame:
    """Clean what open rows say, and quarantine those that cannot be used.

    In answers in free text, secrets and personal data are looked for; nothing else of them is changed.

    Args:
        rows: Rows with an outcome, or open.
        answer: Fields of the answer.
        settings: What is looked for, and what becomes of it.
        releases: Rows that people let through (RELEASES).

    Returns:
        The rows with clean, clean_history and clean_answer, and the names of the repairs.
    """
    opened = rows.with_row_index("place").filter(OPEN)
    pieces = _list_pieces(opened, answer)
    waived = opened.join(releases, on=["row_id", "version"], suffix="_waived").group_by("place")
    rules = waived.agg(waived=pl.col("rule_waived").sort().str.join(","))
    by_rules = pieces.join(rules, on="place", how="left").partition_by("waived", maintain_order=True)
    cleaned = [_clean_pieces(some.drop("waived"), settings, some["waived"][0] or "") for some in by_rules]
    return _put_back(rows, pl.concat(cleaned) if cleaned else _clean_pieces(pieces, settings, ""), answer)


def whole_text(history: str, text: str) -> pl.Expr:
    """Give all turns of a conversation as one text, a line each; where there is no history, the text itself."""
    turns = pl.col(history).list.eval(pl.element().struct.field("content")).list.join("\n")
    joined = pl.concat_str(turns, text, separator="\n", ignore_nulls=True)
    return pl.when(pl.col(history).is_null()).then(text).otherwise(joined)


def _list_pieces(rows: pl.DataFrame, answer: Mapping[str, AnswerField]) -> pl.DataFrame:
    texts = rows.select("place", piece=pl.lit(_TEXT), turn=pl.lit(0, pl.UInt32), text="text")
    turns = rows.filter(pl.col("history").list.len() > 0).select("place", "history").explode("history")
    turns = turns.select(
        "place",
        piece=pl.when(pl.col("history").struct.field("role") == "system")
        .then(pl.lit(_SYSTEM))
        .otherwise(pl.lit(_TURN)),
        turn=pl.int_range(pl.len(), dtype=pl.UInt32).over("place"),
        text=pl.col("history").struct.field("content"),
    )
    values = rows.select("place").hstack(decode_answers(rows["answer"], list(answer)))
    free = [
        values.select("place", piece=pl.lit(f".{name}"), turn=pl.lit(0, pl.UInt32), text=name).drop_nulls()
        for name, field in answer.items()
        if not field.one_of
    ]
    return pl.concat([pl.DataFrame(schema=_PIECES), texts, turns, *free])


def _clean_pieces(pieces: pl.DataFrame, settings: Prepare, waived: str) -> pl.DataFrame:
    """Add clean, repairs, rule, measured and threshold; rules that are waived settle nothing and repair nothing."""
    rules = waived.split(",")
    checks: dict[str, Any] = {
        "pii": "keep" if "pii" in rules else settings.pii,
        "secrets": "keep" if "secret" in rules else settings.secrets,
        "prompt_injections": "keep" if "prompt_injection" in rules else settings.prompt_injections,
        "max_characters": _NO_LIMIT if "too_long" in rules else settings.max_characters,
        "operations": [name for name in settings.normalise.operations if name not in rules],
    }
    # A system message speaks to the model by right.
    of_system = {**checks, "prompt_injections": "keep"}
    of_answers = {**of_system, "max_characters": _NO_LIMIT, "operations": ()}
    is_answer, is_system = pl.col("piece").str.starts_with("."), pl.col("piece") == _SYSTEM
    kinds = ((~is_answer & ~is_system, checks), (is_system, of_system), (is_answer, of_answers))
    parts = [(pieces.filter(is_kind), asked) for is_kind, asked in kinds]
    return pl.concat([part.hstack(clean_texts(part["text"], **asked)) for part, asked in parts])


def _put_back(rows: pl.DataFrame, pieces: pl.DataFrame, answer: Mapping[str, AnswerField]) -> pl.DataFrame:
    numbered = rows.drop("clean", "repairs").with_row_index("place")
    texts = pieces.filter(piece=_TEXT).select("place", "clean")
    names = (
        pieces.filter(pl.col("repairs") != "")
        .select("place", repair=pl.col("repairs").str.split(","))
        .explode("repair")
        .group_by("place")
        .agg(pl.col("repair").unique())
    )
    in_order = [pl.when(pl.col("repair").list.contains(name)).then(pl.lit(name)) for name in (*OPERATIONS, "pii")]
    repairs = names.select("place", repairs=pl.concat_str(in_order, separator=",", ignore_nulls=True))
    put = numbered.join(texts, on="place", how="left", maintain_order="left")
    put = put.join(repairs, on="place", how="left", maintain_order="left").with_columns(pl.col("repairs").fill_null(""))
    put = _put_back_turns(put, pieces.filter(pl.col("piece").is_in([_TURN, _SYSTEM])))
    put = _put_back_answers(
        put, pieces.filter(pl.col("piece").str.starts_with(".") & (pl.col("repairs") != "")), answer
    )
    # What a turn or an answer lacks is no reason: only the text must not be empty.
    found = pieces.filter(
        pl.col("rule").is_not_null() & ((pl.col("rule") != "empty_text") | (pl.col("piece") == _TEXT))
    )
    first = found.unique("place", keep="first", maintain_order=True).select("place", "rule", "measured", "threshold")
    findings = put.select("place").join(first, on="place", how="left", maintain_order="left").drop("place")
    return quarantine(put.drop("place"), findings)


def _put_back_turns(rows: pl.DataFrame, turns: pl.DataFrame) -> pl.DataFrame:
    if turns.is_empty():
        return rows.with_columns(clean_history=pl.col("history"))
    roles = rows.filter(pl.col("history").list.len() > 0).select("place", "history").explode("history")
    roles = roles.with_columns(
        turn=pl.int_range(pl.len(), dtype=pl.UInt32).over("place"), role=pl.col("history").struct.field("role")
    )
    said = roles.join(turns, on=["place", "turn"], maintain_order="left")
    clean = said.group_by("place", maintain_order=True).agg(clean_history=pl.struct(content="clean", role="role"))
    joined = rows.join(clean.cast({"clean_history": HISTORY}), on="place", how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("clean_history", "history").alias("clean_history"))


def _put_back_answers(rows: pl.DataFrame, repaired: pl.DataFrame, answer: Mapping[str, AnswerField]) -> pl.DataFrame:
    changed = rows.filter(pl.col("place").is_in(repaired["place"].implode()))
    if changed.is_empty():
        return rows.with_columns(clean_answer=pl.col("answer"))
    values = changed.select("place").hstack(decode_answers(changed["answer"], list(answer)))
    for (piece,), some in repaired.partition_by("piece", as_dict=True).items():
        name = str(piece)[1:]
        new = values.join(some.select("place", new="clean"), on="place", how="left", maintain_order="left")["new"]
        values = values.with_columns(pl.coalesce(new, name).alias(name))
    clean = values.select("place").with_columns(clean_answer=encode_answers(values.drop("place")))
    joined = rows.join(clean, on="place", how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("clean_answer", "answer").alias("clean_answer"))
