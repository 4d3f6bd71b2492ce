"""Contamination: refused rows, and the overlap of items with the remaining rows."""

# ruff: noqa: RUF001  # the signs of Chinese and Japanese

from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.curation import contamination
from nightloom.curation.contamination import find_repeated, index_items, measure_rows
from nightloom.curation.grams import split_texts
from nightloom.recipes.preparation import Prepare
from nightloom.recipes.schema import AnswerField

from .conftest import SALES, MakeRecords, curate

Answer = Mapping[str, AnswerField]

ITEM = "The courier left my parcel with a neighbour who says that she has never seen it."
AROUND = f"I wrote to you twice since Monday and nobody cares about what I say, so once more from the beginning: {ITEM}"
HALF = "The courier left my parcel with a neighbour who is on holiday, please send another one to the office instead."


def test_grams_do_not_cross_texts() -> None:
    grams = split_texts(pl.Series(["a b c d", "e f", "g h i"]), 0).list_grams(3)
    assert grams.select("text", "start").rows() == [(0, 0), (0, 1), (2, 0)]
    assert grams["gram"].n_unique() == 3


def test_grams_of_other_sizes_differ() -> None:
    words = split_texts(pl.Series(["a b c"]), 0)
    assert not set(words.list_grams(2)["gram"]) & set(words.list_grams(3)["gram"])


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        pytest.param(AROUND, "in_eval_set", id="item within a longer row"),
        pytest.param(ITEM[:47], "in_eval_set", id="row within a longer item"),
        pytest.param(HALF, None, id="common beginning"),
    ],
)
def test_row_overlapping_item_is_refused(
    records: MakeRecords, answer: Answer, settings: Prepare, text: str, rule: str | None
) -> None:
    curated = curate(records(("T1", "", text, SALES)), answer, settings, [ITEM])
    assert curated.ledger["rule"].to_list() == [rule]


def test_reason_holds_repeated_share(records: MakeRecords, answer: Answer, settings: Prepare) -> None:
    curated = curate(records(("T1", "", AROUND, SALES)), answer, settings, [ITEM])
    assert curated.quarantine.select("measured", "threshold").rows() == [("1.0 of 8-grams", "0.7")]


def test_item_repeated_little_is_clean(records: MakeRecords, answer: Answer, settings: Prepare) -> None:
    curated = curate(records(("T1", "", AROUND, SALES), ("T2", "", HALF, SALES)), answer, settings, [ITEM, "Short one"])
    assert curated.contamination is not None
    one, two = curated.contamination.select("clean", "grams_8", "grams_13", "spans").rows()
    # Of 9 runs of eight words, 2 stand in the row that stays.
    assert one == (True, pytest.approx(2 / 9), 0.0, [{"end": 47, "start": 0}])
    assert two == (None, None, None, [])
    assert ITEM[0:47] == "The courier left my parcel with a neighbour who"


def test_item_repeated_by_several_is_contaminated(records: MakeRecords, answer: Answer, settings: Prepare) -> None:
    words = ITEM.removesuffix(".").split()
    rows = records(
        ("T1", "", f"{' '.join(words[:11])} and now I have to wait for nothing, which is a shame", SALES),
        ("T2", "", f"Nobody told me anything at all, but the old man and {' '.join(words[6:])}", SALES),
    )
    curated = curate(rows, answer, settings, [ITEM])
    assert curated.ledger["outcome"].to_list() == ["kept", "kept"]
    assert curated.contamination is not None
    assert curated.contamination.select("clean", "grams_8").rows() == [(False, pytest.approx(7 / 9))]


def test_row_refused_for_item_is_named(records: MakeRecords, answer: Answer, settings: Prepare) -> None:
    items = ["Nothing", "where is my card", ITEM]
    curated = curate(
        records(("T1", "", "Where is my card?", SALES), ("T2", "", AROUND, SALES)), answer, settings, items
    )
    assert curated.contamination is not None
    assert curated.contamination.select("row_id", "similarity").rows() == [(None, None), ("T1", 1.0), ("T2", None)]


JOINED = {
    "Japanese": (
        "おはようございます、初めてご連絡します。少し急いでいます。",
        "先週注文した青い傘がまだ届いていません。荷物がどこにあるか調べてください。",
        "先週注文した青い傘の色を変更したいのですが、どうすればよいか教えてください。",
    ),
    "Thai": (
        "สวัสดีครับ ผมเป็นลูกค้าใหม่ ",
        "ร่มสีน้ำเงินที่ผมสั่งเมื่อสัปดาห์ก่อนยังมาไม่ถึง ช่วยตรวจสอบให้หน่อยว่าพัสดุอยู่ที่ไหน",
        "ร่มสีน้ำเงินที่ผมสั่งนั้นผมอยากเปลี่ยนเป็นสีแดง ต้องทำอย่างไรบ้างและเสียค่าใช้จ่ายเท่าไร",
    ),
    "Lao": (
        "ສະບາຍດີ ຂ້ອຍເປັນລູກຄ້າໃໝ່ ",
        "ຄັນຮົ່ມສີຟ້າທີ່ຂ້ອຍສັ່ງອາທິດແລ້ວຍັງບໍ່ມາຮອດ ກະລຸນາກວດເບິ່ງວ່າພັດສະດຸຢູ່ໃສ",
        "ຄັນຮົ່ມສີຟ້າທີ່ຂ້ອຍສັ່ງນັ້ນຂ້ອຍຢາກປ່ຽນເປັນສີແດງ ຕ້ອງເຮັດແນວໃດແດ່ແລະເສຍເງິນເທົ່າໃດ",
    ),
    "Khmer": (
        "សួស្តី ខ្ញុំជាអតិថិជនថ្មី ",
        "ឆ័ត្រពណ៌ខៀវដែលខ្ញុំបានបញ្ជាទិញកាលពីសប្តាហ៍មុនមិនទាន់មកដល់ទេ សូមជួយពិនិត្យមើល",
        "ឆ័ត្រពណ៌ខៀវដែលខ្ញុំបានទិញនោះខ្ញុំចង់ប្តូរទៅពណ៌ក្រហម តើត្រូវធ្វើដូចម្តេច",
    ),
    "Chinese with names": (
        "您好，我是新顾客，有点着急。",
        "我买的 iPhone 15 Pro 屏幕碎了，请问在哪里可以修理，大概需要多少天？",
        "我买的 iPhone 15 Pro 颜色不对，能不能换成黑色的，运费由谁来付呢？",
    ),
}
"""By script: a greeting, an item, and another text that begins like the item."""


@pytest.mark.parametrize("script", JOINED)
def test_joined_words_are_measured_in_characters(
    records: MakeRecords, answer: Answer, settings: Prepare, script: str
) -> None:
    greeting, item, other = JOINED[script]
    curated = curate(records(("T1", "", greeting + item, SALES), ("T2", "", other, SALES)), answer, settings, [item])
    assert curated.ledger["rule"].to_list() == ["in_eval_set", None]
    assert curated.contamination is not None
    clean, share, spans = curated.contamination.select("clean", "grams_8", "spans").row(0)
    assert (clean, 0 <= share < 0.7) == (True, True)
    assert [item[span["start"] : span["end"]] for span in spans] in ([], [common_beginning(item, other)])


def common_beginning(one: str, two: str) -> str:
    same = next(at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b)
    return one[:same].rstrip(" 、，。")


def test_spans_are_those_of_characters(records: MakeRecords, answer: Answer, settings: Prepare) -> None:
    item = "昨天在网上买的大号蓝色雨伞，今天早上才发现伞柄已经断了。"
    row = "我也是，昨天在网上买的大号蓝色雨伞，今天早上才到，可是颜色和图片上的完全不一样，很失望。"
    curated = curate(records(("T1", "", row, SALES)), answer, settings, [item])
    assert curated.contamination is not None
    (clean, spans) = curated.contamination.select("clean", "spans").row(0)
    assert clean
    assert [item[span["start"] : span["end"]] for span in spans] == ["昨天在网上买的大号蓝色雨伞，今天早上才"]


@pytest.mark.parametrize(
    ("item", "row"),
    [
        pytest.param(
            "My order A-1187 of 12/3/26 came on 19/3/26, 7 days late; I want 4.50 euros back.",
            "My order A-20931 of 3/5/2025 came on 1/6/2025, 29 days late; I want 1,310.00 euros back.",
            id="order",
        ),
        pytest.param(
            "There are 9 boxes with 14 pears each, and 21 pears are eaten. How many are left?",
            "There are 113 boxes with 6 pears each, and 8 pears are eaten. How many are left?",
            id="arithmetic",
        ),
        pytest.param(
            "Flight of 2026-11-03 at 07:45 was cancelled, so I ask for the voucher that you promised.",
            "Flight of 2025-01-28 at 23:10 was cancelled, so I ask for the voucher that you promised.",
            id="date",
        ),
        pytest.param(
            "一个箱子有36个苹果，吃掉了5个，又买来12个，请问现在一共有多少个苹果？",
            "一个箱子有8个苹果，吃掉了3个，又买来140个，请问现在一共有多少个苹果？",
            id="Chinese",
        ),
    ],
)
def test_item_with_other_numbers_is_not_clean(
    records: MakeRecords, answer: Answer, settings: Prepare, item: str, row: str
) -> None:
    apart = settings.model_copy(update={"near_duplicate_similarity": 1.0})
    curated = curate(records(("T1", "", row, SALES)), answer, apart, [item])
    assert curated.ledger["rule"].to_list() == [None]
    assert curated.contamination is not None
    line = curated.contamination.select("clean", "other_numbers", "masked_8").row(0)
    assert line == (False, True, 1.0)


def test_items_without_numbers_are_masked_alike(records: MakeRecords, answer: Answer, settings: Prepare) -> None:
    curated = curate(records(("T1", "", f"{HALF} 5", SALES)), answer, settings, [ITEM])
    assert curated.contamination is not None
    assert curated.contamination.select("clean", "other_numbers", "grams_8", "masked_8").row(0) == (
        *(True, False),
        *(pytest.approx(2 / 9), pytest.approx(2 / 9)),
    )


@pytest.mark.parametrize(
    ("item", "row", "rule", "clean"),
    [
        pytest.param(
            "The kettle has leaked since noon",
            "Hello! The kettle has leaked since noon, help.",
            "in_eval_set",
            True,
            id="six words",
        ),
        pytest.param(
            "我的蓝色雨伞什么时候能送到",
            "您好，请问我的蓝色雨伞什么时候能送到，谢谢您的帮助。",
            "in_eval_set",
            True,
            id="thirteen characters",
        ),
        pytest.param(
            "The kettle leaks since noon", "Hello! The kettle leaks since noon, help.", None, None, id="five words"
        ),
        pytest.param("雨伞呢", "您好，请问我的雨伞呢，谢谢您的帮助。", None, None, id="three characters"),
        pytest.param(
            "The kettle has leaked since noon",
            "Since noon the kettle has leaked, dear all.",
            None,
            True,
            id="other order",
        ),
    ],
)
def test_short_item_is_found_as_a_whole(
    records: MakeRecords, answer: Answer, settings: Prepare, item: str, row: str, rule: str | None, clean: bool | None
) -> None:
    curated = curate(records(("T1", "", row, SALES)), answer, settings, [item])
    assert curated.ledger["rule"].to_list() == [rule]
    assert curated.contamination is not None
    assert curated.contamination["clean"].to_list() == [clean]


_sentences = st.lists(st.sampled_from("abcd"), max_size=16).map(" ".join)


@given(st.lists(_sentences, min_size=1, max_size=4), st.lists(_sentences, min_size=1, max_size=4))
def test_shares_equal_those_of_sets(rows: list[str], items: list[str]) -> None:
    def runs(text: str, size: int) -> set[tuple[str, ...]]:
        words = text.split(" ")
        return {tuple(words[start : start + size]) for start in range(len(words) - size + 1)}

    expected = {}
    for position, row in enumerate(rows):
        shares = [0.0]
        for item in items:
            size = min(8, len(item.split(" ")))
            both = len(runs(row, size) & runs(item, size)) if size >= 6 else 0
            shares += [both / len(runs(item, size)), both / len(runs(row, 8)) if size == 8 else 0] if both else []
        if max(shares):
            expected[position] = max(shares)
    texts, index = pl.Series(rows), index_items(pl.Series(items))
    repeated = find_repeated(texts, np.arange(len(rows), dtype=np.uint32), index)
    measured = measure_rows(repeated, texts, index)
    assert dict(measured.select("position", "containment").rows()) == pytest.approx(expected)


def test_items_with_same_beginning_are_distinguished(monkeypatch: pytest.MonkeyPatch) -> None:
    # Parts of one row each, as if the pairs of rows and items filled the memory.
    monkeypatch.setattr(contamination, "_PAIRS_AT_ONCE", 1)
    beginning = " ".join(f"please{number}" for number in range(10))
    items = [f"{beginning} " + " ".join(f"{name}{number}" for number in range(10)) for name in "abc"]
    texts, index = pl.Series([items[2], "other words", items[1], beginning]), index_items(pl.Series(items))
    repeated = find_repeated(texts, np.arange(4, dtype=np.uint32), index)
    measured = measure_rows(repeated, texts, index)
    assert measured.select("position", "item", "containment").rows() == [(0, 2, 1.0), (2, 1, 1.0), (3, 0, 1.0)]


@given(st.text("我的你在a1 ", max_size=60), st.text("我的你在a1 ", max_size=60))
def test_characters_are_compared_in_order(before: str, after: str) -> None:
    item = "蓝色雨伞今天还没有送到请问现在在哪里"
    texts, index = pl.Series([f"{before} {item} {after}".strip()]), index_items(pl.Series([item]))
    repeated = find_repeated(texts, np.zeros(1, np.uint32), index)
    assert measure_rows(repeated, texts, index).select("containment", "grams").rows() == [
        (1.0, "16-grams of characters")
    ]
