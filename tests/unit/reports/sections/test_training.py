"""The loss as it is drawn."""

import re

from nightloom.artifacts.training import HeldOutLoss, LossPoint
from nightloom.reports.sections.training import draw_loss

from tests.factories.report_nights import words_of

CURVE = [LossPoint(step=step, loss=loss, learning_rate=0.001) for step, loss in ((10, 2.5), (20, 0.1934))]


def test_loss_ends_with_its_last_value() -> None:
    assert words_of(draw_loss(CURVE))[-2:] == ["0.193", "learned"]


def test_held_out_loss_is_that_of_the_kept_weights() -> None:
    held_out = [HeldOutLoss(step=step, loss=step / 20, low=0.1, high=1.2, n=50) for step in (20, 10)]
    drawn = draw_loss(CURVE, held_out, 10)
    assert words_of(drawn)[-4:] == ["0.193", "learned", "0.5", "held out"]
    assert drawn.count("var(--champion)") > draw_loss(CURVE, held_out[:1], 20).count("var(--champion)")


def test_only_a_step_before_the_last_is_marked_as_kept() -> None:
    assert draw_loss(CURVE, kept_step=20) == draw_loss(CURVE)
    assert draw_loss(CURVE, kept_step=10) != draw_loss(CURVE)


def test_names_at_the_ends_of_lines_fit_and_do_not_meet() -> None:
    held_out = [HeldOutLoss(step=20, loss=0.1935, low=0.1, high=0.3, n=50)]
    svg = draw_loss(CURVE, held_out)
    places = re.findall(r'<text[^>]* x="([\d.]+)" y="([\d.]+)"[^>]*>(learned|held out)<', svg)
    (x, lower, _), (_, upper, _) = places
    assert float(x) + 8 * 6.6 < 360
    assert float(lower) - float(upper) > 24
