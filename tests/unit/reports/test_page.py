"""Pages: valid, self-contained and complete."""

import itertools
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from nightloom.artifacts.blueprints import Blueprint
from nightloom.artifacts.models import ModelRef, TaskSpec
from nightloom.artifacts.results import ItemTokens, Parity, ParityCheck
from nightloom.core.store import ObjectStore
from nightloom.registry.members import add_member
from nightloom.reports.document import read_report_data
from nightloom.reports.sections import training, trials
from nightloom.reports.write import write_report

from tests.factories.report_nights import PLANS

BLNS = Path(os.environ.get("NIGHTLOOM_TEST_DATA", "missing")) / "naughty-strings" / "blns.json"


class Page(HTMLParser):
    """The elements of a page in their order. Each tag must be closed once."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[SimpleNamespace] = []
        self._open: list[SimpleNamespace] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in ("meta", "br"):
            self._open.append(self.elements[-1])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        parents = [each.tag for each in self._open]
        self.elements.append(SimpleNamespace(tag=tag, attributes=dict(attrs), parents=parents, text=""))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag
        self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def texts(self, tag: str) -> list[str]:
        return [" ".join(each.text.split()) for each in self.elements if each.tag == tag]

    def attributes(self, name: str) -> list[str]:
        return [each.attributes[name] for each in self.elements if name in each.attributes]


def read_page(store: ObjectStore, report) -> Page:
    source = store.get_blob(report.provenance.html).decode()
    assert "This section cannot be shown" not in source
    return Page(source)


def test_page_shows_measured_batch(store, full, write) -> None:
    page = store.get_blob(write().provenance.html).decode()
    assert '<td class="n">1.0214</td><td>at least 0.5 and at most 3</td>' in page


def test_page_shows_failed_parity_check(store, nights, night, write) -> None:
    checks = [
        ParityCheck(name="ids", passed=True, value=0, tolerance=0, n=32, message="the ids are the same"),
        ParityCheck(name="merge", passed=False, value=0.4, tolerance=1e-4, n=32, message="logits differ by 0.4"),
    ]
    key = Parity.Key(
        model=ModelRef(base="b" * 64, adapter="a" * 64),
        task=TaskSpec(prompt="", output="json", answer={"team": None}, field_order=("team",)),
        max_new_tokens=8,
        snapshot="5" * 64,
        code="",
        packages={},
    )
    parity = store.publish(Parity(key=key, result=Parity.Result(checks=tuple(checks), seconds=1)))
    nights.prepare(night)
    nights.finetune(night, "BETTER", move=False, parity=parity.id)
    page = store.get_blob(write().provenance.html).decode()
    assert "1 of 2 checks failed: the model that was compared is not the model that would be served." in page
    assert "in team, 640 items), but parity fails; there is no champion yet." in page
    assert '<td class="bad">failed</td><th scope="row">merge</th><td>logits differ by 0.4</td>' in page


def test_page_begins_with_headline(store, full, write) -> None:
    page = read_page(store, write())
    assert page.texts("h1") == [
        "Promoted: the candidate is better than the champion (+2.4 points [+0.6, +4.1] in team, 640 items)."
    ]
    assert page.texts("h2") == [
        "Candidate compared",
        "Trials",
        "Training",
        "Predictions",
        "Rows in and out",
        "The last nights",
        "Contamination",
        "Planted rows",
        "Expectations",
        "The night's stages",
        "Provenance",
    ]


def test_page_shows_comparisons_as_lines(store, full, write) -> None:
    (lines,) = [each.text for each in read_page(store, write()).elements if each.tag == "pre"]
    assert lines.splitlines()[0] == (
        "team 0.912 [0.887, 0.938] n=640  vs champion +0.024 [+0.006, +0.041] margin 0.020: BETTER"
    )


def test_page_lists_best_trials_first(store, full, write) -> None:
    page = read_page(store, write())
    results = ("the candidate", "trained to the end", "pruned at 25%")
    rows = [row for row in page.texts("tr") if row.endswith(results)]
    assert [row.split()[0] for row in rows] == ["6", "7", "4", "5", "2", "3", "0", "1"]
    assert rows[0] == "6 3 20 0.002 0.415 [0.375, 0.455] 0.340 [0.300, 0.380] the candidate"
    assert rows[-1] == "1 0 21 0.0002 0.605 [0.565, 0.645] pruned at 25%"


def test_page_compares_best_configuration_with_seeds(store, full, write) -> None:
    (note,) = [each for each in read_page(store, write()).texts("p") if each.startswith("Configuration ")]
    assert note == (
        "Configuration 3 has the lowest mean loss of 2 at the end: 0.346 [0.267, 0.426] over 2 seeds. Difference to "
        "configuration 2, paired by seed: -0.059 [-0.075, -0.043], n = 2: larger than seeds alone explain."
    )


def test_single_trial_has_no_trials_section(store, nights, night, write) -> None:
    nights.prepare(night)
    nights.finetune(night)
    report = write()
    assert read_report_data(store, report).of(trials.SECTION) is None
    assert "Trials" not in read_page(store, report).texts("h2")


def test_early_end_shows_ranked_trials(store, nights, night, write) -> None:
    nights.prepare(night)
    blueprint = nights.compile(night, PLANS)
    add_member(nights.database, nights.recipe, night, "blueprint", blueprint.id)
    nights.rank(blueprint, to_the_end=False)
    nights.end(night, "finetune", "refused", "training has taken 20 of 20 minutes")
    report = write()
    data = read_report_data(store, report)
    facts = data.of(trials.SECTION)
    assert (data.outcome, data.of(training.SECTION)) == ("refused", None)
    assert facts
    assert (facts.winner, [each.pruned_at for each in facts.trials].count(0.25)) == (None, 4)
    assert any(row.endswith("not decided") for row in read_page(store, report).texts("tr"))


def test_page_folds_all_but_best_trials(store, nights, night, write) -> None:
    nights.prepare(night)
    rates = [round(1e-4 * (1 + n), 6) for n in range(30)]
    nights.finetune(night, plans=[PLANS[0].model_copy(update={"settings": {"learning_rate": rate}}) for rate in rates])
    page = read_page(store, write())
    (opened,) = [each for each in page.texts("summary") if each.startswith("The other")]
    assert opened == "The other 18"
    assert len([row for row in page.texts("tr") if row.endswith(("pruned at 25%", "end", "candidate"))]) >= 30


def test_page_shows_adjustments_and_kept_step(store, full, write) -> None:
    page = read_page(store, write())
    assert "the batch was halved to 8 and accumulation doubled: 16 did not fit the memory" in page.texts("li")
    assert "kept the weights of step 225, because the held-out loss did not improve after it" in page.texts("tr")
    (time,) = [row for row in page.texts("tr") if row.startswith("time ")]
    assert time == "time 300 steps in 1 min 14 s on NVIDIA H100 80GB HBM3, 8,246 tokens/s"


def test_page_counts_repeated_items(store, full, write) -> None:
    page = read_page(store, write())
    rows = [row for row in page.texts("tr") if row.startswith(("held_out ", "chats "))]
    assert rows == ["held_out 640 630 7 1.1% 2 3", "chats 20 20 0 0.0% 0 0"]
    assert any(note.startswith("9 rows were quarantined as duplicates") for note in page.texts("p"))


def test_page_counts_cut_answers(store, full, write) -> None:
    cut = [text for text in read_page(store, write()).texts("p") if "were ended by" in text]
    assert cut == [
        "3 of 640 answers of the candidate on held_out were ended by evaluate.max_new_tokens (16), and count as wrong."
    ]


def test_page_counts_answers_beyond_limit(store, nights, night, write) -> None:
    nights.prepare(night)
    blueprint = store.load(Blueprint, nights.finetune(night).content.blueprint).content
    evalset = blueprint.eval_sets[0].evalset
    key = ItemTokens.Key(base=blueprint.base, task=blueprint.task, evalset=evalset, code="", packages={})
    result = ItemTokens.Result(context=512, prompts={90: 640}, answers={9: 600, 17: 30, 400: 10})
    counted = store.publish(ItemTokens(key=key, result=result))
    add_member(nights.database, nights.recipe, night, counted.kind, counted.id)
    (warning,) = [text for text in read_page(store, write()).texts("p") if "longer than" in text]
    assert warning == (
        "40 of 640 right answers of held_out are longer than evaluate.max_new_tokens (16), so no model can give them; "
        "the longest has 400 tokens."
    )


def test_page_counts_refused_items(store, full, write) -> None:
    notes = read_page(store, write()).texts("p")
    refused = (
        "Eval set held_out: 640 rows are items. Refused: 21 invalid answer, 2 same version. No item has team returns."
    )
    assert refused in notes


def test_page_counts_changed_answers(store, full, write) -> None:
    notes = read_page(store, write()).texts("p")
    assert any(note.startswith("The chat template does not write the answers of 3 examples as they") for note in notes)


def test_page_counts_unread_keys(store, full, write) -> None:
    assert "Keys in conversations that were not read: mood in 12." in read_page(store, write()).texts("p")


def test_page_shows_recall_and_precision(store, full, write) -> None:
    page = read_page(store, write())
    rows = [row for row in page.texts("tr") if row.startswith(("near duplicate 59", "pii 80"))]
    assert rows == [
        "near duplicate 59 of 60 98.3% [91.1, 99.7] 1 98.3% [91.1, 99.7] missed near duplicate: merged",
        "pii 80 of 80 100.0% [95.4, 100.0] 1 98.8% [93.3, 99.8] missed card number, mail address: repaired",
    ]
    assert any(row.startswith("none 90 of 90 100.0%") and "reached" in row for row in page.texts("tr"))
    assert any("No rule can find a wrong label" in note for note in page.texts("p"))


def test_page_is_self_contained(store, full, write) -> None:
    source = store.get_blob(write().provenance.html).decode()
    assert re.findall(r"https?:|//[a-z]|url\((?!#)|@import|<script|<link|<img|<iframe", source) == []
    assert 'name="viewport"' in source
    assert "prefers-color-scheme: dark" in source


def test_figures_have_names(store, full, write) -> None:
    page = read_page(store, write())
    figures = [each for each in page.elements if each.attributes.get("role") == "img"]
    assert page.elements[0].attributes == {"lang": "en"}
    assert [bool(each.attributes["aria-label"]) for each in figures] == [True] * 6
    levels = [int(each.tag[1]) for each in page.elements if each.tag in ("h1", "h2", "h3")]
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))


def test_ids_are_unique(store, full, write) -> None:
    ids = read_page(store, write()).attributes("id")
    assert len(ids) > 20
    assert len(ids) == len(set(ids))


@pytest.mark.skipif(not BLNS.is_file(), reason="NIGHTLOOM_TEST_DATA has no naughty strings")
def test_naughty_strings_stay_text(store, registry, recipe, nights, night) -> None:
    naughty = list(dict.fromkeys(text for text in json.loads(BLNS.read_text(encoding="utf-8")) if text.strip()))
    everything = " ".join(naughty)
    nights.prepare(night, planted=[(text, "kept", text, 1, 1) for text in naughty])
    nights.finetune(night, "INCONCLUSIVE", slices=(naughty[7], "<script>alert(1)</script>$x^"))
    nights.end(night, "predict", "failed", everything)
    loud = recipe.model_copy(update={"description": everything, "owner": everything})
    report = write_report(store, registry, loud, night=night)
    page = read_page(store, report)
    assert {"script", "img", "iframe", "object", "embed", "link", "a"} & {each.tag for each in page.elements} == set()
    assert [name for each in page.elements for name in each.attributes if name.startswith("on")] == []
    assert len(
        [row for row in page.texts("tr") if "1 of 1 100.0% [20.7, 100.0] 1 50.0% [9.5, 90.5] missed" in row]
    ) == len(naughty)
    assert page.texts("footer")[0].endswith("The same data are next to this page as JSON.")
