"""Will it bud, without a simulation: closed forms of the cap, verdicts in words, refusals, the command."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from membrane import predict
from membrane.cap import CapLaw
from membrane.config import load
from membrane.landscape import Gate
from membrane.predict import NEVER_S, Situation, asked, crossing, summary, table, verdict

CERAMIDE = Path(__file__).parents[1] / "configs" / "ceramide.yaml"
CAP = ["budding.law=cap"]
KT, KAPPA = 4.2821, 20 * 4.2821
XI = KAPPA / 1.0
"""Size kappa/lambda (nm) in which the cap's closed forms are written."""

PLAIN = Situation(
    line_tension=1.0,
    curvature_inside=0.0,
    curvature_outside=0.0,
    rigidity_inside=KAPPA,
    rigidity_outside=KAPPA,
    gaussian_contrast=0.0,
    tension=0.0,
    host_radius=np.inf,
    thermal_energy=KT,
)
"""Line tension alone."""


def cap(force=0.0):
    return CapLaw(Gate(1e-3, KT, force), membrane_viscosity=3e-6, solvent_viscosity=3e-9)


def last_words(text):
    return [line.split("  ")[-1] for line in text.splitlines()[1:]]


def test_barrier_of_line_tension_alone():
    """Rows carry the cap's 8 pi kappa (1 - L/8 xi)^2, gone from L = 8 xi on."""
    diameters = XI * np.array([4.0, 6.0, 7.0, 8.5])
    found = asked(PLAIN, cap(), diameters, 1.0)
    expected = 8 * np.pi * 20 * np.maximum(1 - diameters / (8 * XI), 0) ** 2
    np.testing.assert_allclose(found.diameters[found.shown], diameters)
    np.testing.assert_allclose(found.answer.barrier_kBT[found.shown], expected, rtol=1e-3)
    assert found.without_barrier == pytest.approx(8 * XI, abs=1.5 * XI / predict.PARTS)


def test_each_row_is_judged():
    """Over a barrier of 31 kT it never buds, over a low one within a time that is stated, without one at once."""
    found = asked(PLAIN, cap(), XI * np.array([6.0, 7.4, 8.5]), 1.0)
    never, soon, now = last_words(table(found))
    assert never == "will not bud in 1e9 s"
    assert soon.startswith("buds within ")
    assert now.startswith("buds at once (")


def test_summary_names_the_size_that_waits_as_long_as_a_run():
    """The waiting time at the diameter named is the duration."""
    found = asked(PLAIN, cap(), XI * np.array([6.0, 7.0, 8.0, 9.0]), 10.0)
    size = found.within(10.0)
    again = asked(PLAIN, cap(), [size], 10.0)
    assert np.log(again.waiting_s[0]) == pytest.approx(np.log(10.0), abs=0.5)
    assert f"from {size:.0f} nm on" in summary(found)


def test_no_budding_is_an_answer():
    """Without line tension and curvature nothing buds, and the summary says so."""
    found = asked(replace(PLAIN, line_tension=1e-3, tension=1e-2), cap(), [50.0, 100.0], 1.0)
    assert summary(found) == "No budding at any size up to 100 nm."
    assert np.isnan([found.within(NEVER_S), found.without_barrier, found.closing]).all()


def test_budding_that_outlasts_the_run_is_told_apart_from_none():
    found = asked(PLAIN, cap(), XI * np.array([6.0, 7.0]), 1e-6)
    assert "No domain" in summary(found)
    assert "within the run's 1 us" in summary(found)


def test_open_neck_needs_aid_or_breaks():
    """A strong spontaneous curvature keeps the neck of a small bud open until a force breaks it."""
    curved = replace(PLAIN, line_tension=0.1, curvature_inside=0.06)
    left, helped = (asked(curved, cap(force), [48.0], 1.0) for force in (0.0, 200.0))
    assert not left.answer.neck_closed[0]
    assert verdict(left, 0).endswith("stays an open bud; scission aid needed")
    assert "open neck breaks with aid within" in verdict(helped, 0)


def test_crossing_is_interpolated_in_the_logarithm():
    diameters, waiting = np.array([40.0, 50.0, 60.0]), np.array([1e8, 1e2, 1e-2])
    assert crossing(diameters, waiting, 1.0) == pytest.approx(55.0)
    assert crossing(diameters, waiting, 1e9) == 40.0
    assert np.isnan(crossing(diameters, waiting, 1e-3))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(np.inf, "never"), (3e-3, "3 ms"), (2.5e-7, "250 ns"), (90.0, "1.5 min"), (3.2e9, "101 years"), (1e40, "1e40 s")],
)
def test_durations_read_like_speech(seconds, words):
    assert predict.duration(seconds) == words


@pytest.mark.parametrize("diameters", [[], [50.0, 40.0], [0.0, 40.0], [40.0, 500.0], [np.nan]])
def test_diameters_out_of_range_are_refused(diameters):
    with pytest.raises(ValueError, match="positive, rising and below the 433 nm of the host"):
        predict.predict(load(CERAMIDE, CAP), diameters)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.yaml"], "cannot be read"),
        ([str(CERAMIDE), "--set", "lipids.line_tension_pM=1"], "did you mean 'line_tension_pN'"),
        ([str(CERAMIDE), "--diameters", "900"], "below the 433 nm of the host"),
        ([str(CERAMIDE), "--set", "membrane.tension_uN_per_m=-1"], "membrane.tension_uN_per_m"),
    ],
)
def test_bad_input_leaves_with_2_and_says_why(arguments, message, capsys):
    assert predict.main([*arguments, "--set", *CAP]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown


def test_diameters_that_are_no_numbers(capsys):
    with pytest.raises(SystemExit) as left:
        predict.main([str(CERAMIDE), "--diameters", "40,wide"])
    assert left.value.code == 2
    assert "write it as 40,60,80" in capsys.readouterr().err


def test_command_with_the_cap(capsys):
    """Inputs, a row for each diameter and a sentence; the cap wants larger domains than 50 nm here."""
    assert predict.main([str(CERAMIDE), "--set", *CAP, "--diameters", "30,50,70"]) == 0
    told, rows, words = capsys.readouterr().out.strip().split("\n\n")
    assert "line tension of the mixture" in told
    assert rows.splitlines()[0].split() == list(predict.COLUMNS)
    assert [line.split()[0] for line in rows.splitlines()[1:]] == ["30", "50", "70"]
    assert words.startswith("Domains bud within the run's 60 ms from 5")


def test_exact_law_needs_smaller_domains_than_the_cap():
    """On configs/ceramide.yaml: at 36 nm no bud yet, at 56 nm budding without a barrier and with a closing neck, where
    the cap still sees a barrier."""
    exact = predict.predict(load(CERAMIDE), [36.0, 56.0])
    assert exact.answer.barrier_kBT[0] > 20
    assert exact.answer.barrier_kBT[-1] == 0
    assert exact.answer.neck_closed[-1]
    assert 0 < exact.waiting_s[-1] < 0.1
    assert predict.predict(load(CERAMIDE, CAP), [56.0]).answer.barrier_kBT[0] > 1
