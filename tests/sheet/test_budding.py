"""Budding on a sheet: which domains bud, what a vesicle takes along, what its row says, and the ledger."""

from dataclasses import replace
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest

from membrane.bud.cap import CapLaw
from membrane.bud.landscape import BudAnswer, Domain, Gate, Host
from membrane.builder.sheet import build_sheet
from membrane.config import load
from membrane.endosome.budget import Endosome, VesicleSupply, sphere_area
from membrane.endosome.ledger import Ledger
from membrane.endosome.tension import TensionLaw
from membrane.outcome.density import shell_density
from membrane.outcome.table import EVENT_DTYPE, MECHANISMS, MolecularAreas, is_ilv
from membrane.sheet.budding import BuddingRules, BudWatcher
from membrane.sheet.domains import find_domains
from membrane.sheet.fate import Fate, OpenBud
from membrane.sheet.plane import content
from membrane.units import thermal_energy

CONFIG = Path(__file__).parents[2] / "configs" / "ceramide.yaml"
KT = thermal_energy(37.0)
KAPPA_LD, KAPPA_LO, LINE_TENSION, WIDTH = 20 * KT, 40 * KT, 1.0, 5.0
RADIUS, CENTRE = 50.0, (90.0, 33.0)
TICK_S = 1e-6
HOST_RADIUS = 500.0
TENSIONS = TensionLaw(
    bending_rigidity=KAPPA_LD,
    thermal_energy=KT,
    area_modulus=240.0,
    shortest_length=5.0,
    rest_tension=1e-3,
    lysis_tension=7.0,
)
RULES = BuddingRules(
    law=CapLaw(Gate(neck_radius=5.0, thermal_energy=KT), membrane_viscosity=3e-6, solvent_viscosity=3e-9),
    bending_rigidity_lo=KAPPA_LO,
    bending_rigidity_ld=KAPPA_LD,
    gaussian_modulus_contrast=0.0,
    line_tension=LINE_TENSION,
    interface_width=WIDTH,
    circularity=0.9,
    least_diameter=10.0,
    aid_waiting_time=np.inf,
    acceleration=1.0,
    areas=MolecularAreas(lipid_lo=0.42, lipid_ld=0.65, cargo=10.0),
    shell_density=1.16,
    lumen_density=1.06,
)
# Cytosolic ceramide outside and inside the domain, luminal ceramide likewise, monomers, oligomers.
BUDDING = {"cytosolic": (0.05, 0.45), "luminal": (0.003, 0.003), "monomer": (0.02, 0.03), "oligomer": (0.01, 0.08)}
PLUG = np.array([-1.0, 0.004, 0.002, 0.015, 0.001])


def make_model(precision="float64", *overrides):
    """The sheet of ceramide.yaml on 60 x 52 points."""
    settings = ["geometry.box_nm=[240,208]", f"numerics.precision={precision}", *overrides]
    return build_sheet(load(CONFIG, settings))


@pytest.fixture(scope="module")
def model():
    return make_model()


def offsets(grid, centre=CENTRE):
    return tuple((p - c + 0.5 * e) % e - 0.5 * e for p, c, e in zip(grid.points, centre, grid.extent, strict=True))


def disc(grid, radius=RADIUS, centre=CENTRE):
    """phi of one round domain that lies across the edge of the box."""
    y, x = offsets(grid, centre)
    return np.tanh((radius - np.hypot(y, x)) / (np.sqrt(2) * WIDTH))


def make_state(model, phi=None, composition=BUDDING, tick=0):
    """A state whose lattice fields follow ``phi`` between the (outside, inside) values of ``composition``."""
    phi = disc(model.grid) if phi is None else phi
    inside = 0.5 * (1 + np.clip(phi, -1, 1))
    mixed = [out + (into - out) * inside for out, into in composition.values()]
    fields = np.stack([phi, *mixed][: len(model.species)]).astype(model.grid.dtype)
    return model.state_of(jax.numpy.asarray(fields), jax.random.key(0), 4, tick)


def make_watcher(model, state, *, reserve=1e6, rate=0.0, seed=1, endosome=0, interval=1 << 20, rules=RULES):
    """A watcher with ledger and budget (a sphere of 500 nm, ``reserve`` in nm^2, ``rate`` vesicles of 60 nm a second)
    opened on ``state``; its interval of a second makes a domain without barrier certain to bud."""
    budget = Endosome.open(TENSIONS, HOST_RADIUS, reserve / sphere_area(2 * HOST_RADIUS))
    return BudWatcher(
        rules=rules,
        supply=VesicleSupply(rate_per_s=rate, diameter=60.0, composition=PLUG[: len(model.species)]),
        budget=budget,
        ledger=Ledger.open(content(state.fields, model.grid.cell_area)),
        sheet_area=model.grid.area,
        endosome=endosome,
        seed=seed,
        tick_s=TICK_S,
        interval=interval,
        tick=int(state.tick),
    )


def look(model, state, **options):
    """(watcher, state after one look)."""
    watcher = make_watcher(model, state, **options)
    return watcher, watcher.see(model, state)[1]


def ask(model, state, rules=RULES):
    """The law's answer for all domains of a state."""
    fields = np.asarray(state.fields)
    domains = find_domains(fields[0], model.grid)
    watcher = make_watcher(model, state, rules=rules)
    return rules.law(*watcher.mechanics(model, domains, fields, np.arange(len(domains)), {}))


def test_one_domain_makes_one_event(model):
    """A large round domain beyond its barrier gives exactly one event; afterwards no domain is left and the next look
    is idle."""
    state = make_state(model, tick=2048)
    assert len(find_domains(np.asarray(state.fields[0]), model.grid)) == 1
    watcher, after = look(model, state)
    assert len(watcher.rows) == 1
    assert len(find_domains(np.asarray(after.fields[0]), model.grid)) == 0
    assert watcher.next_tick == 2048 + watcher.interval
    _, again = watcher.see(model, after)
    assert len(watcher.rows) == 1
    assert again is after


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-12), ("float32", 1e-6)])
def test_content_is_conserved(precision, tolerance):
    """before = after + vesicle - supply for every species, to 1e-12 (float64) and 1e-6 (float32); the ledger closes
    alike."""
    model = make_model(precision)
    state = make_state(model)
    before = content(state.fields, model.grid.cell_area)
    watcher, after = look(model, state)
    ledger, now = watcher.ledger, content(after.fields, model.grid.cell_area)
    assert after.fields.dtype == precision
    scale = np.abs(before) + np.array([model.grid.area, 0, 0, 0, 0])
    assert np.max(np.abs(before - (now + ledger.removed - ledger.supplied)) / scale) < tolerance
    assert np.max(np.abs(ledger.residual(now)) / scale) < tolerance
    row = watcher.rows[0]
    np.testing.assert_allclose(ledger.supplied, float(row["area_nm2"]) * PLUG, rtol=1e-12)
    assert watcher.budget.area_account.ilvs == -float(row["area_nm2"])
    # The vesicle holds what stood under the stated mask (1 - tanh(2 d/xi))/2, integrated over the radius; pixels
    # allow 2 %.
    r = np.linspace(0, 100, 20001)
    mask, phi = 0.5 * (1 - np.tanh(2 * (r - RADIUS) / WIDTH)), np.tanh((RADIUS - r) / (np.sqrt(2) * WIDTH))
    integral = lambda f: np.trapezoid(mask * f * 2 * np.pi * r, r)
    assert ledger.removed[0] == pytest.approx(integral(phi), rel=0.02)
    assert ledger.removed[1] == pytest.approx(integral(0.05 + 0.4 * 0.5 * (1 + phi)), rel=0.02)


def test_ledger_closes_after_reactions_and_two_vesicles(model):
    """Ledger.residual is 0 after two vesicles and a booked reaction, 1e-12; arrays and back keep every number."""
    grid = model.grid
    phi = np.maximum(disc(grid, 42.0, (60.0, 60.0)), disc(grid, 45.0, (150.0, 180.0)))
    state = make_state(model, phi)
    watcher, after = look(model, state)
    assert len(watcher.rows) == 2
    gained = np.array([0.0, 1e-3, 2e-3, -1e-4, 1e-4])
    watcher.add_reacted(gained)
    now = content(after.fields, grid.cell_area) + gained * grid.area
    assert np.max(np.abs(watcher.ledger.residual(now))) < 1e-12 * grid.area
    assert np.max(np.abs(watcher.ledger.residual(now + 1.0))) > 0.99
    back = Ledger.from_arrays(watcher.ledger.as_arrays())
    for name, value in vars(watcher.ledger).items():
        assert np.array_equal(getattr(back, name), value)
    first, second = watcher.rows
    assert first["x_nm"] != second["x_nm"]


def test_row_of_an_event(model):
    """Columns: D = sqrt(area/pi), centre, direction +1, what a sheet can know finite and what it cannot NaN, copies
    from contents."""
    state = make_state(model, tick=5000)
    watcher, _ = look(model, state, endosome=7)
    row, taken = watcher.rows[0], watcher.ledger.removed
    assert row.dtype == EVENT_DTYPE
    area = float(row["area_nm2"])
    assert area == pytest.approx(np.pi * RADIUS**2, rel=0.01)
    assert float(row["diameter_nm"]) == pytest.approx(np.sqrt(area / np.pi), rel=1e-12)
    assert (int(row["kind"]), int(row["direction"]), int(row["mechanism"]), int(row["endosome"])) == (0, 1, 0, 7)
    assert float(row["time_s"]) == pytest.approx(5e-3)
    assert (float(row["y_nm"]), float(row["x_nm"])) == pytest.approx(CENTRE, abs=2.0)
    unknown = {"z_nm", "diameter_from_volume_nm"}
    for name in EVENT_DTYPE.names:
        assert np.isnan(float(row[name])) == (name in unknown), name
    assert float(row["cargo_monomer_copies"]) == pytest.approx(taken[3] / 10.0, rel=1e-12)
    assert float(row["cargo_oligomer_copies"]) == pytest.approx(taken[4] / 10.0, rel=1e-12)
    assert float(row["ceramide_cytosolic_fraction"]) == pytest.approx(taken[1] / area, rel=1e-12)
    assert float(row["ceramide_luminal_fraction"]) == pytest.approx(0.003, rel=1e-3)
    lo = 0.5 * (1 + taken[0] / area)
    assert float(row["lo_fraction"]) == pytest.approx(lo, rel=1e-12)
    assert 0.9 < lo <= 1
    assert float(row["lipid_copies"]) == pytest.approx(2 * area * (lo / 0.42 + (1 - lo) / 0.65), rel=1e-12)
    # 0.185 per nm and unit of leaflet asymmetry, 0.2 per unit of n-mers.
    curvature = 0.185 * (taken[1] - taken[2]) / area + 0.2 * taken[4] / area
    assert float(row["spontaneous_curvature_per_nm"]) == pytest.approx(curvature, rel=1e-9)
    assert float(row["line_tension_pN"]) == LINE_TENSION
    assert float(row["tension_uN_per_m"]) == pytest.approx(1.0, rel=1e-6)
    assert float(row["neck_radius_nm"]) == pytest.approx(5.0, rel=1e-12)
    assert float(row["barrier_kBT"]) == 0
    # The shell is 5 nm thick about the mid-plane.
    density = shell_density(float(row["diameter_nm"]) + 5.0, shell_g_per_ml=1.16, lumen_g_per_ml=1.06)
    assert float(row["density_g_per_ml"]) == pytest.approx(float(density), rel=1e-12)
    assert is_ilv(np.array([row], EVENT_DTYPE)).tolist() == [True]


def test_absent_species_are_nan():
    """Without cargo its copies are NaN; the other columns do not care."""
    model = make_model("float64", "cargo=null")
    watcher, _ = look(model, make_state(model))
    row = watcher.rows[0]
    assert np.isnan(float(row["cargo_monomer_copies"]))
    assert np.isnan(float(row["cargo_oligomer_copies"]))
    assert np.isfinite(float(row["ceramide_cytosolic_fraction"]))


def test_law_is_asked_about_the_domain_that_is_there(model):
    """Barrier and rate are those of the law for the domain's area and mean c0 in a host of the mean c0 outside."""
    composition = BUDDING | {"cytosolic": (0.05, 0.3)}
    state = make_state(model, disc(model.grid, 35.0), composition)
    domains = find_domains(np.asarray(state.fields[0]), model.grid)
    fields = np.asarray(state.fields)
    curvature = 0.185 * (fields[1] - fields[2]) + 0.2 * fields[4]
    inside = domains.labels == 1
    domain = Domain(
        area=domains.area,
        spontaneous_curvature=np.array([curvature[inside].mean()]),
        line_tension=np.array([1.0]),
        bending_rigidity=np.array([KAPPA_LO]),
        gaussian_modulus_contrast=np.array([0.0]),
    )
    outside = float(curvature[~inside].mean())
    host = Host(tension=1e-3, bending_rigidity=KAPPA_LD, spontaneous_curvature=outside)
    expected = RULES.law(domain, host)
    assert expected.barrier_kBT[0] > 0
    found = ask(model, state)
    for name in ("barrier_kBT", "rate_per_s", "diameter_nm"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-6)


def test_non_round_domain_is_refused(model):
    """An ellipse of axes 2:1 (circularity 0.8) is refused at 0.9 and goes to the law at 0.7."""
    y, x = offsets(model.grid)
    phi = np.tanh((1 - np.hypot(y / 70, x / 35)) * 35 / (np.sqrt(2) * WIDTH))
    state = make_state(model, phi)
    assert find_domains(phi, model.grid).circularity[0] == pytest.approx(0.8, abs=0.01)
    watcher, after = look(model, state)
    assert watcher.rows == []
    assert after is state
    assert len(look(model, state, rules=replace(RULES, circularity=0.7))[0].rows) == 1


def test_percolating_domain_is_refused(model):
    """A stripe round the box never buds, however low the demanded circularity."""
    y, _ = offsets(model.grid)
    phi = np.tanh((40 - np.abs(y)) / (np.sqrt(2) * WIDTH)) * np.ones(model.grid.shape)
    state = make_state(model, phi)
    watcher, after = look(model, state, rules=replace(RULES, circularity=1e-6))
    assert watcher.rows == []
    assert after is state


def test_no_membrane_no_event(model):
    """A vesicle that the budget cannot release is refused and counted; once vesicles have fused in time it leaves."""
    state = make_state(model, tick=1_000_000)
    area = float(find_domains(np.asarray(state.fields[0]), model.grid).area[0])
    diameter = float(np.sqrt(area / np.pi))
    rules = replace(RULES, law=stub(rate_per_s=1e9, neck_closed=True))
    poor = make_watcher(model, state, reserve=0.0, rules=rules)
    released = 0
    while poor.budget.can_release(area, diameter, 1):
        poor.budget.release(area, diameter, 1)
        released += 1
    assert released > 0
    fed = make_watcher(model, state, rate=50.0, rules=rules)
    fed.budget = Endosome.from_arrays(TENSIONS, poor.budget.as_arrays())
    _, after = poor.see(model, state)
    assert poor.rows == []
    assert poor.without_membrane == 1
    assert after is state
    fed.see(model, state)
    assert fed.budget.area_account.fused > area
    assert len(fed.rows) == 1


def test_tension_rises_when_the_reserve_is_gone(model):
    """Without reserve the first vesicle leaves a sheet under more than the rest tension, that of the budget, and its
    row has the mean tension against which it left, between the two; with reserve both stay at rest."""
    state = make_state(model)
    light = replace(RULES, law=stub(rate_per_s=1e9, neck_closed=True))
    watcher = make_watcher(model, state, reserve=0.0, rules=light)
    tenser, _ = watcher.see(model, state)
    after = float(tenser.helfrich.tension)
    assert after == pytest.approx(watcher.budget.tension, rel=1e-12)
    row = float(watcher.rows[0]["tension_uN_per_m"]) * 1e-3
    assert 1e-3 < row < after
    rested = make_watcher(model, state, rules=light)
    assert float(rested.see(model, state)[0].helfrich.tension) == pytest.approx(1e-3, rel=1e-7)
    assert float(rested.rows[0]["tension_uN_per_m"]) == pytest.approx(1.0, rel=1e-12)


def test_tension_is_changed_without_compilation(model):
    """A step at another tension runs the same compiled program and gives another state."""
    traced = []

    @eqx.filter_jit
    def force(sheet, state):
        traced.append(1)
        return sheet.free_energy(state.fields)

    state = make_state(model)
    values = [float(force(model.with_tension(tension), state)) for tension in (1e-3, 2e-3, 0.5)]
    assert len(traced) == 1
    assert len(set(values)) == 3


def stub(**columns):
    """A law that answers the same for every domain."""
    usual = dict(
        barrier_kBT=5.0,
        rate_per_s=0.0,
        passage_variation=1.0,
        opening_barrier_kBT=10.0,
        opening_rate_per_s=0.0,
        scission_barrier_kBT=7.0,
        scission_rate_per_s=0.0,
        aided_rate_per_s=0.0,
        bud_energy_kBT=-3.0,
        neck_radius_nm=8.0,
        contact_angle_rad=0.3,
        neck_closed=False,
    )

    def law(domain, host):
        values = {name: np.full(len(domain.area), value) for name, value in (usual | columns).items()}
        ones = np.ones(len(domain.area))
        return BudAnswer(**values, diameter_nm=domain.size, direction=ones.astype(int), rate_factor=ones)

    return law


def test_a_bud_with_an_open_neck_stays(model):
    """A domain that buds with an open neck makes no event; it is known at the next look and in a checkpoint, and leaves
    once the law says that its neck closes, with the barrier that it came over."""
    state = make_state(model, tick=1024)
    watcher = make_watcher(model, state, interval=1024, rules=replace(RULES, law=stub(rate_per_s=1e9)))
    _, after = watcher.see(model, state)
    assert watcher.rows == []
    assert after is state
    (bud,) = watcher.open_buds
    assert (bud.y, bud.x) == pytest.approx(CENTRE, abs=2.0)
    assert (bud.since_s, bud.barrier_kBT) == (1024e-6, 5.0)
    resumed = make_watcher(model, state, interval=1024, rules=replace(RULES, law=stub(neck_closed=True)))
    resumed.restore(watcher.as_arrays())
    assert resumed.open_buds == watcher.open_buds
    resumed.see(model, model.state_of(state.fields, jax.random.key(0), 4, 2048))
    assert resumed.open_buds == []
    assert float(resumed.rows[0]["barrier_kBT"]) == 7.0
    assert int(resumed.rows[0]["mechanism"]) == MECHANISMS["activated"]


def test_an_open_bud_without_a_state_or_a_domain_is_forgotten(model):
    """It closes down where the law knows no bud any more, and is dropped when no round domain lies where it was."""
    state = make_state(model)
    bud = OpenBud(*map(float, CENTRE), 0.0, 5.0)
    gone = make_watcher(model, state, rules=replace(RULES, law=stub(neck_radius_nm=np.nan)))
    gone.open_buds = [bud]
    gone.see(model, state)
    assert gone.open_buds == []
    kept = make_watcher(model, state, rules=replace(RULES, law=stub()))
    kept.open_buds = [bud, OpenBud((CENTRE[0] + 104.0) % 208.0, CENTRE[1] + 120.0, 0.0, 5.0)]
    kept.see(model, state)
    assert [b.since_s for b in kept.open_buds] == [0.0]
    assert len(kept.open_buds) == 1


def test_competing_rates_of_an_open_bud(model):
    """Scission at rate a, opening at rate b, looks of dt: leaves with a/(a+b) (1 - exp(-(a+b) dt)), opens with the
    other share; 600 seeds, four standard deviations."""
    state, dt, a, b = make_state(model), 1.048576, 0.6, 0.9
    rules = replace(RULES, law=stub(scission_rate_per_s=a, opening_rate_per_s=b))
    left = opened = 0
    for seed in range(600):
        watcher = make_watcher(model, state, seed=seed, rules=rules)
        watcher.open_buds = [OpenBud(*map(float, CENTRE), 0.0, 5.0)]
        fate = draw(watcher, model, state)
        left, opened = left + (fate is Fate.LEAVES), opened + (fate is Fate.FLATTENS)
    gone = -np.expm1(-(a + b) * dt)
    for count, share in ((left, gone * a / (a + b)), (opened, gone * b / (a + b))):
        assert abs(count - 600 * share) < 4 * np.sqrt(600 * share * (1 - share))


def draw(watcher, model, state):
    """The fate of the only domain, without carrying it out."""
    fates, decide = [], watcher._fate

    def noted(*case):
        fates.append(decide(*case))
        return Fate.UNCHANGED

    watcher._fate = noted
    watcher.see(model, state)
    return fates[0]


def test_the_aid_comes_after_its_waiting_time(model):
    """An open bud leaves at the aided rate once the waiting time has passed since it budded, and the row says so; a
    look earlier it stays."""
    law = stub(aided_rate_per_s=1e9)
    rules = replace(RULES, law=law, aid_waiting_time=0.5)
    for tick, leaves in ((499_000, False), (501_000, True)):
        state = make_state(model, tick=tick)
        watcher = make_watcher(model, state, rules=rules)
        watcher.open_buds = [OpenBud(*map(float, CENTRE), 0.0, 5.0)]
        watcher.see(model, state)
        assert len(watcher.rows) == leaves
    assert int(watcher.rows[0]["mechanism"]) == MECHANISMS["aided_scission"]


def looked_at(watcher, model, phis, interval=1000):
    """Looks at a disc for each of ``phis``, one interval after another; returns the state after the last look."""
    for phi in phis:
        after = watcher.see(model, make_state(model, phi, tick=watcher.next_tick))[1]
    return after


def slow(looks, variation, **columns):
    """Rules of a law by which a domain buds after this many looks of 1000 ticks on average."""
    law = stub(rate_per_s=1 / (looks * 1000 * TICK_S), passage_variation=variation, neck_closed=True, **columns)
    return replace(RULES, law=law)


def test_a_domain_without_a_barrier_needs_its_time(model):
    """Over 60 seeds the looks until a domain leaves have the mean of the law and half a look, and its spread; four
    standard errors."""
    counts, phi, variation = [], disc(model.grid), 0.3
    for seed in range(60):
        watcher, looks = make_watcher(model, make_state(model), seed=seed, interval=1000, rules=slow(6, variation)), 0
        while not watcher.rows:
            looked_at(watcher, model, [phi])
            looks += 1
        counts.append(looks)
    spread = np.hypot(6 * variation, np.sqrt(1 / 12))
    assert np.mean(counts) == pytest.approx(6.5, abs=4 * spread / np.sqrt(60))
    assert np.std(counts) == pytest.approx(spread, rel=4 * np.sqrt((2 + 6 * variation**2) / 60) / 2)


def test_progress_is_kept_in_a_checkpoint(model):
    """Progress adds up, k dt a look; a watcher that goes on from arrays leaves at the same look with the same row."""
    begun = make_watcher(model, make_state(model), interval=1000, rules=slow(6, 0.3))
    looked_at(begun, model, [disc(model.grid)] * 3)
    (passage,) = begun.passages
    assert passage.progress == pytest.approx(0.5, rel=1e-12)
    assert (passage.y, passage.x) == pytest.approx(CENTRE, abs=2.0)
    resumed = make_watcher(model, make_state(model, tick=3000), interval=1000, rules=slow(6, 0.3))
    resumed.restore(begun.as_arrays())
    assert resumed.passages == begun.passages
    for watcher in (begun, resumed):
        while not watcher.rows:
            looked_at(watcher, model, [disc(model.grid)])
        assert watcher.passages == []
    assert begun.next_tick == resumed.next_tick > 5000
    assert begun.rows[0].tobytes() == resumed.rows[0].tobytes()


def test_progress_waits_while_a_domain_is_not_round(model):
    """An elongated domain comes no further and loses nothing; one that is seen elsewhere begins at 0."""
    y, x = offsets(model.grid)
    long = np.tanh((1 - np.hypot(y / 70, x / 35)) * 35 / (np.sqrt(2) * WIDTH))
    round_, elsewhere = disc(model.grid), disc(model.grid, 40.0, (CENTRE[0] + 104.0, CENTRE[1] + 120.0))
    watcher = make_watcher(model, make_state(model), interval=1000, rules=slow(100, 0.01))
    progress = []
    for phi in (long, round_, round_, long, long, round_, elsewhere):
        looked_at(watcher, model, [phi])
        progress += [passage.progress for passage in watcher.passages]
    assert progress == pytest.approx([0, 0.01, 0.02, 0.02, 0.02, 0.03, 0.01])


def test_of_merging_domains_the_larger_part_goes_on(model):
    """Two domains that are one at the next look: its progress is that of the larger part, further on or not."""
    grid = model.grid
    large, small = disc(grid, 45.0, (90.0, 80.0)), disc(grid, 25.0, (90.0, 165.0))
    neck = disc(grid, 20.0, (90.0, 132.0))
    both, one = np.maximum(large, small), np.maximum(np.maximum(large, small), neck)
    assert (len(find_domains(both, grid)), len(find_domains(one, grid))) == (2, 1)
    for first, expected in (((large, both), 0.02), ((small, both), 0.01)):
        watcher = make_watcher(model, make_state(model), interval=1000, rules=slow(100, 0.01))
        looked_at(watcher, model, first)
        assert sorted(passage.progress for passage in watcher.passages) == pytest.approx([0.01, 0.02])
        watcher.rules = replace(watcher.rules, circularity=1.0)
        looked_at(watcher, model, [one])
        assert [passage.progress for passage in watcher.passages] == pytest.approx([expected])


def test_progress_ends_with_the_passage(model):
    """An open bud has none; when it flattens, its domain begins at 0; without membrane a domain comes no further."""
    phi = disc(model.grid)
    law = stub(rate_per_s=1e9, opening_rate_per_s=1e9)
    watcher = make_watcher(model, make_state(model), interval=1000, rules=replace(RULES, law=law))
    looked_at(watcher, model, [phi])
    assert (watcher.passages, len(watcher.open_buds)) == ([], 1)
    looked_at(watcher, model, [phi])
    assert (watcher.passages, watcher.open_buds) == ([], [])
    watcher.rules = slow(100, 0.01)
    looked_at(watcher, model, [phi])
    assert [passage.progress for passage in watcher.passages] == pytest.approx([0.01])
    watcher.rules = replace(RULES, law=law)
    watcher.budget.can_release = lambda *case: False
    looked_at(watcher, model, [phi])
    assert [passage.progress for passage in watcher.passages] == pytest.approx([0.01])
    assert watcher.without_membrane == 1


def test_reserve_is_spent_once(model):
    """Two domains and a budget that can release one of them: one event, one refusal."""
    phi = np.maximum(disc(model.grid, 45.0, (60.0, 60.0)), disc(model.grid, 45.0, (150.0, 180.0)))
    state = make_state(model, phi)
    watcher = make_watcher(model, state, reserve=0.0, rules=replace(RULES, law=stub(rate_per_s=1e9, neck_closed=True)))
    small = 30.0
    while watcher.budget.can_release(2 * np.pi * 45.0**2, 63.0, 1):
        watcher.budget.release(np.pi * small**2, small, 1)
    assert watcher.budget.can_release(1.02 * np.pi * 45.0**2, 45.5, 1)
    watcher.see(model, state)
    assert len(watcher.rows) == 1
    assert watcher.without_membrane == 1


def test_luminal_ceramide_buds_away_from_the_lumen():
    """The mirrored sheet (leaflets exchanged) gives direction -1, c0 of the other sign, the same size; it is no ILV."""
    model = make_model("float64", "cargo=null")
    mirrored = BUDDING | {"cytosolic": BUDDING["luminal"], "luminal": BUDDING["cytosolic"]}
    inward = look(model, make_state(model))[0].rows[0]
    outward = look(model, make_state(model, composition=mirrored))[0].rows[0]
    assert (int(inward["direction"]), int(outward["direction"])) == (1, -1)
    for name in ("diameter_nm", "barrier_kBT", "area_nm2"):
        assert float(inward[name]) == float(outward[name])
    assert float(outward["spontaneous_curvature_per_nm"]) == -float(inward["spontaneous_curvature_per_nm"])
    assert is_ilv(np.array([inward, outward], EVENT_DTYPE)).tolist() == [True, False]


def test_symmetric_ceramide_never_buds():
    """V18: equal ceramide in both leaflets and no oligomers: c0 = 0 and no event of any size in a hundred seconds."""
    model = make_model("float64", "cargo=null")
    symmetric = BUDDING | {"luminal": BUDDING["cytosolic"]}
    for radius in (20.0, 35.0, 50.0, 70.0, 90.0):
        state = make_state(model, disc(model.grid, radius), symmetric)
        watcher, after = look(model, state, interval=100 << 20)
        assert watcher.rows == []
        assert after is state


def test_draws_depend_on_seed_endosome_and_tick_only(model):
    """Even odds: the same (seed, endosome, tick) decides alike, each of the three changes it, and half of 200 draws
    bud."""
    state, interval = make_state(model), 1000
    rules = replace(RULES, law=stub(rate_per_s=np.log(2) / (interval * TICK_S), neck_closed=True))

    def buds(seed, endosome, tick):
        moved = model.state_of(state.fields, jax.random.key(0), 4, tick)
        watcher, _ = look(model, moved, seed=seed, endosome=endosome, interval=interval, rules=rules)
        return len(watcher.rows)

    series = {
        "seed": [buds(i, 0, 64) for i in range(70)],
        "endosome": [buds(3, i, 64) for i in range(70)],
        "tick": [buds(3, 0, 64 * i) for i in range(70)],
    }
    assert series["seed"] == [buds(i, 0, 64) for i in range(70)]
    for outcomes in series.values():
        assert 0 < sum(outcomes) < 70
    assert series["seed"] != series["endosome"] != series["tick"]
    drawn = sum(map(sum, series.values()))
    # Binomial of 210 at 1/2: standard deviation 7.2; four of them.
    assert abs(drawn - 105) < 29
    options = dict(interval=interval, rules=rules)
    row = next(w.rows[0] for i in range(70) if (w := look(model, state, seed=i, **options)[0]).rows)
    assert int(row["mechanism"]) == MECHANISMS["activated"]
    assert float(row["barrier_kBT"]) == 5.0


def test_removal_restarts_the_scheme_and_leaves_the_far_field(model):
    """After an event history_ticks is 0, tick and step stay, and fields beyond the hole keep every bit."""
    state = make_state(model, tick=640)
    state = jax.tree.map(lambda x: x, state)
    _, after = look(model, state)
    assert int(after.history_ticks) == 0
    assert (int(after.tick), int(after.step_ticks)) == (640, 4)
    y, x = offsets(model.grid)
    far = np.hypot(y, x) > RADIUS + 2.5 * WIDTH + 12 * WIDTH
    assert far.sum() > 50
    np.testing.assert_allclose(np.asarray(after.fields)[:, far], np.asarray(state.fields)[:, far], rtol=1e-7)
    near = np.hypot(y, x) < 0.5 * RADIUS
    plugged = np.asarray(after.fields)[:, near]
    assert np.ptp(plugged, axis=1).max() < 1e-3


def test_first_look_falls_on_the_grid_of_looks(model):
    """A watcher made at any tick looks at the next whole multiple of its interval, so that resumed runs look at the
    same ticks."""
    for tick, expected in ((0, 1024), (1, 1024), (1023, 1024), (1024, 2048)):
        state = make_state(model, tick=tick)
        assert make_watcher(model, state, interval=1024).next_tick == expected
