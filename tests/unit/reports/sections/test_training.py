"""The figure of the loss."""

import re

from nightloom.artifacts.training import HeldOutLoss, LossPoint
from nightloom.reports.sections.training import draw_loss

from tests.factories.report_nights import words_of

CURVE = [LossPoint(step=step, loss=loss, learning_rate=0.001) for step, loss in ((10, 2.5), (20, 0.1934))]


def test_figure_shows_last_loss() -> None:
    assert words_of(draw_loss(CURVE))[-2:] == ["0.193", "train"]


def test_figure_shows_kept_held_out_loss() -> None:
    held_out = [HeldOutLoss(step=step, loss=step / 20, low=0.1, high=1.2, n=50) for step in (20, 10)]
    drawn = draw_loss(CURVE, held_out, 10)
    assert words_of(drawn)[-4:] == ["0.193", "train", "0.5", "held out"]
    assert drawn.count("var(--champion)") > draw_loss(CURVE, held_out[:1], 20).count("var(--champion)")


def test_earlier_kept_step_is_marked() -> None:
    assert draw_loss(CURVE, kept_step=20) == draw_loss(CURVE)
    assert draw_loss(CURVE, kept_step=10) != draw_loss(CURVE)


def test_labels_fit_without_overlap() -> None:
    held_out = [HeldOutLoss(step=20, loss=0.1935, low=0.1, high=0.3, n=50)]
    svg = draw_loss(CURVE, held_out)
    labels = re.findall(r'<text[^>]* x="([\d.]+)" y="([\d.]+)"[^>]*>(train|held out)<', svg)
    (x, lower, _), (_, upper, _) = labels
    assert float(x) + 8 * 6.6 < 360
    assert float(lower) - float(upper) > 24
