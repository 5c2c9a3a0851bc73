"""What a name of a variant means: in full, without the prefix of an imported one, or nothing that exists."""

from __future__ import annotations

import pytest

from dimebench.analysis.errors import AmbiguousVariantError, UnknownVariantError
from dimebench.analysis.select import choose_variants, in_full
from dimebench.reference import UnknownReferenceError
from dimebench.store import Run
from tests.analysis.factory import RUN, make_run


def runs_of(*variants: str) -> list[Run]:
    return [make_run(variant, RUN, seed) for variant in variants for seed in range(2)]


@pytest.mark.parametrize(
    ("name", "variants", "meant"),
    [
        ("my-sac", ["dime", "ext:my-sac"], "ext:my-sac"),
        ("ext:my-sac", ["dime", "ext:my-sac"], "ext:my-sac"),
        ("SimBa", ["dime", "paper:SimBa"], "paper:SimBa"),
        ("SimBa", ["dime", "ext:SimBa"], "ext:SimBa"),  # that there are published figures of it too says nothing
        ("SAC@simba", ["dime", "paper:SAC@simba"], "paper:SAC@simba"),
        ("sac", ["sac", "ext:sac", "paper:sac"], "sac"),  # one's own name is taken as it stands
        ("dime:utd=4", ["dime:utd=4", "ext:dime"], "dime:utd=4"),
        ("paper:dime", ["dime", "paper:DIME"], "paper:DIME"),
        ("paper:dime", ["dime"], "paper:DIME"),
    ],
)
def test_a_name_is_put_in_full(name: str, variants: list[str], meant: str) -> None:
    assert in_full([name], runs_of(*variants)) == [meant]


def test_names_keep_their_order_and_one_thing_named_twice_is_meant_once() -> None:
    runs = runs_of("dime", "ext:my-sac")
    assert in_full(["my-sac", "dime", "ext:my-sac"], runs) == ["ext:my-sac", "dime"]
    assert in_full(["paper:DIME", "dime", "paper:dime"], runs) == ["paper:DIME", "dime"]


def test_a_name_of_several_imported_variants_is_refused_with_both() -> None:
    with pytest.raises(AmbiguousVariantError) as caught:
        in_full(["SAC"], runs_of("dime", "ext:SAC", "paper:SAC"))
    assert str(caught.value) == "'SAC' may be ext:SAC or paper:SAC in suite quick: name one of them"


@pytest.mark.parametrize(
    ("name", "variants", "tail"),
    [
        ("DIME", ["crossq"], "(nearest: paper:DIME)"),
        ("SimBa", ["dime", "sac"], "(nearest: paper:SimBa)"),
        ("DIME", ["dime", "crossq"], "(nearest: dime, paper:DIME)"),
        ("SAC", ["dime", "sac"], "(nearest: sac, paper:SAC@simba, paper:SAC@SimbaV2, paper:SAC@tdmpc2)"),
        ("Sac", ["paper:SAC", "ext:SAC", "sac"], "(nearest: sac, ext:SAC, paper:SAC, "),
        ("dmie", ["dime", "sac"], "(nearest: dime)"),  # a slip of the pen in one's own name means one's own
        ("my-sca", ["dime", "ext:my-sac"], "(nearest: ext:my-sac)"),
        ("ext:SimBa", ["dime"], "(nearest: paper:SimBa)"),
        ("paper:DIMEE", ["dime"], "(nearest: paper:DIME"),
        ("paper:My-own", ["dime", "paper:My-old"], "(nearest: paper:My-old)"),
        ("BRO (Fats)", ["dime"], "(nearest: paper:BRO (Fast)"),
        ("qwrt", ["dime", "sac"], "(known: dime, sac)"),
    ],
)
def test_an_unknown_name_leads_to_what_may_be_meant_the_users_own_first(
    name: str, variants: list[str], tail: str
) -> None:
    with pytest.raises((UnknownVariantError, UnknownReferenceError)) as caught:
        in_full([name], runs_of(*variants))
    assert tail in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_published_figures_are_no_runs() -> None:
    with pytest.raises(UnknownVariantError) as caught:
        choose_variants(runs_of("dime"), ["paper:DIME"])
    assert str(caught.value) == "no runs of 'paper:DIME' in suite quick: it is published, not run"
