"""Samples in, losses out; the cause is the gravest of what was near and concerns the flow."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from labgen.errors import ParseError
from labgen.rehearsal.outages import (
    BgpEvent,
    Path,
    Sample,
    Window,
    explain,
    losses,
    mend,
    parse,
)

MS = 1_000_000
START = 1_000_000 * MS
TARGET, SOURCE = ip_address("10.210.1.1"), ip_address("10.210.2.2")
NODE, FAR = ip_address("172.17.0.6"), ip_address("172.17.0.2")
PATH = Path((TARGET, SOURCE), frozenset({NODE}))


def at(ms: float) -> int:
    return START + int(ms * MS)


def flow(answered: str, every: float = 10) -> list[Sample]:
    """`.` answered, `x` lost, `r` refused; one every 10 ms."""
    return [
        Sample(0, at(i * every), 200 if c == "." else None, {"x": "t", "r": "r"}.get(c, ""))
        for i, c in enumerate(answered)
    ]


def window(end: float, *actions: tuple[str, float]) -> Window:
    return Window("one", at(0), at(end), tuple((text, at(ms)) for text, ms in actions))


def event(ms: float, rank: int = 0, **more: object) -> BgpEvent:
    given = {"text": f"event {rank}", "ends": (NODE, FAR), "where": "x#1", **more}
    return BgpEvent(at(ms), rank, **given)  # type: ignore[arg-type]


def test_lost_and_the_longest_gap_by_times_of_sending() -> None:
    found = losses("f", flow("..x....xxxr...."), [window(150, ("apply", 40))], PATH, ())[0]
    assert (found.sent, found.lost, found.reachable) == (15, 5, True)
    assert found.reasons == (("no answer", 4), ("refused", 1))
    assert found.longest is not None
    assert found.longest.milliseconds == pytest.approx(40)  # first lost at 70, answered at 110
    assert found.longest.after_ms == pytest.approx(30)
    assert (found.longest.action, found.longest.lost) == ("apply", 4)


def test_a_gap_before_any_action_began_with_the_stage() -> None:
    found = losses("f", flow(".xx."), [window(40, ("late", 500))], PATH, ())[0]
    assert found.longest is not None
    assert found.longest.action == "the stage's start"


def test_what_was_never_reachable_is_not_lost() -> None:
    found = losses("f", flow("xxxx"), [window(40)], PATH, ())[0]
    assert (found.reachable, found.sent, found.lost, found.longest) == (False, 4, 0, None)


def test_a_flow_counts_from_its_first_answer_on() -> None:
    found = losses("f", flow("xxx.x."), [window(60)], PATH, ())[0]
    assert (found.sent, found.lost, found.first_answer_ns) == (3, 1, at(30))


def test_each_window_has_its_own_samples_and_a_gap_may_stay_open() -> None:
    windows = [Window("a", at(0), at(50)), Window("b", at(50), at(100))]
    first, second = losses("f", flow("...xxxx..."), windows, PATH, ())
    assert (first.sent, first.lost, second.sent, second.lost) == (5, 2, 5, 2)
    assert first.longest is not None
    assert first.longest.end_ns is None
    assert first.longest.milliseconds == pytest.approx(20)  # until the stage ended
    assert second.first_answer_ns is None


def test_a_gap_that_a_stage_finds_open_is_its_own_as_a_whole() -> None:
    """Or two halves of one outage would each stay below the limit."""
    cause = ("cut", at(25))
    windows = [Window("a", at(0), at(50), (cause,)), Window("b", at(50), at(100))]
    second = losses("f", flow("...xxxx..."), windows, PATH, [event(26)])[1]
    assert second.lost == 2  # each loss is counted once
    assert second.longest is not None
    assert (second.longest.milliseconds, second.longest.lost) == (pytest.approx(40), 4)
    assert (second.longest.action, second.longest.after_ms) == ("cut", pytest.approx(5))
    assert second.longest.explained == event(26)
    assert losses("f", flow("xxx.x....."), windows, PATH, ())[1].longest is None


def test_order_of_lines_does_not_matter() -> None:
    samples = flow("..xx..")
    assert losses("f", samples[::-1], [window(60)], PATH, ()) == losses(
        "f", samples, [window(60)], PATH, ()
    )


def test_no_samples_no_loss() -> None:
    assert losses("f", [], [window(60)], PATH, ())[0].sent == 0


def test_the_gravest_of_what_was_near_explains_a_gap() -> None:
    withdrawal = event(95, 2, prefixes=(ip_network("10.210.1.0/26"),))
    found = explain(at(100), PATH, [event(80, 0), event(90, 1), withdrawal])
    assert found is not None
    assert found.rank == 0


@pytest.mark.parametrize(
    "stranger",
    [
        event(90, 0, ends=(FAR, ip_address("172.17.0.3"))),
        event(90, 2, prefixes=(ip_network("10.200.0.0/16"),)),
        event(90, 2, prefixes=(ip_network("fd00::/64"),)),
        event(-1500, 0),
        event(-400, 3, prefixes=(ip_network("10.210.1.0/26"),)),
        event(150, 0),
    ],
    ids=["other nodes", "other prefix", "other family", "long ago", "old news", "after it"],
)
def test_what_does_not_concern_the_flow_explains_nothing(stranger: BgpEvent) -> None:
    assert explain(at(100), PATH, [stranger]) is None


def test_what_happens_while_the_probe_is_under_way_counts() -> None:
    assert explain(at(100), PATH, [event(110, 0)]) is not None


OWN = (ip_network("10.210.1.0/26"),)
OTHERS = (FAR, ip_address("172.17.0.3"))


def test_a_unit_that_stops_serving_first_withdraws_within_the_gap() -> None:
    stale = event(100 - 900, 2, prefixes=OWN)
    elsewhere, own = event(150, 2, prefixes=OWN, ends=OTHERS), event(160, 2, prefixes=OWN)
    assert explain(at(100), PATH, [stale, elsewhere, own]) == own  # what the flow's node heard
    assert explain(at(100), PATH, [stale, elsewhere]) == elsewhere
    fresh = event(90, 1)
    assert explain(at(100), PATH, [fresh, own]) == fresh


@pytest.mark.parametrize(
    "later",
    [
        event(950, 2, prefixes=OWN),
        event(150, 2, prefixes=(ip_network("10.200.0.0/16"),)),
        event(150, 3, prefixes=OWN),
    ],
    ids=["after its end", "other prefix", "an announcement"],
)
def test_nothing_else_within_the_gap_explains_it(later: BgpEvent) -> None:
    stale = event(100 - 900, 2, prefixes=OWN)
    assert explain(at(100), PATH, [later], at(900)) is None
    assert explain(at(100), PATH, [stale, later], at(900)) == stale


def test_an_announcement_before_the_action_explains_nothing_after_it() -> None:
    brought = event(100 - 250, 3, prefixes=OWN)
    assert explain(at(100), PATH, [brought]) == brought
    assert explain(at(100), PATH, [brought], since_ns=at(0)) is None
    assert explain(at(100), PATH, [event(50, 3, prefixes=OWN)], since_ns=at(0)) is not None
    session = event(100 - 250, 0)  # a session that ended has its effect whenever BIRD is ready
    assert explain(at(100), PATH, [session], since_ns=at(0)) == session


def test_a_withdrawal_long_after_its_beginning_explains_no_gap() -> None:
    assert explain(at(100), PATH, [event(1050, 2, prefixes=OWN)]) is not None
    assert explain(at(100), PATH, [event(1150, 2, prefixes=OWN)]) is None


def test_the_last_announcement_before_its_end_mended_a_gap() -> None:
    early, last = event(800, 3, prefixes=OWN), event(990, 3, prefixes=OWN)
    elsewhere = event(995, 3, prefixes=OWN, ends=OTHERS)
    assert mend(at(100), at(1000), PATH, [early, last, elsewhere]) == last
    assert mend(at(100), at(1000), PATH, [early, elsewhere]) == early
    assert mend(at(100), None, PATH, [last]) is None


@pytest.mark.parametrize(
    "stranger",
    [
        event(600, 3, prefixes=OWN),
        event(1001, 3, prefixes=OWN),
        event(990, 2, prefixes=OWN),
        event(990, 3, prefixes=(ip_network("10.200.0.0/16"),)),
    ],
    ids=["long before its end", "after it", "a withdrawal", "other prefix"],
)
def test_nothing_else_mended_it(stranger: BgpEvent) -> None:
    assert mend(at(100), at(1000), PATH, [stranger]) is None


def test_what_came_before_a_short_gap_did_not_mend_it() -> None:
    assert mend(at(100), at(200), PATH, [event(90, 3, prefixes=OWN)]) is None
    both = [event(120, 2, prefixes=OWN), event(135, 3, prefixes=OWN)]
    found = losses("f", flow(".........xxxxx.."), [window(160)], PATH, both)[0].longest
    assert found is not None
    assert (found.explained, found.mended) == tuple(both)


def test_a_journal_is_read_up_to_its_last_whole_line() -> None:
    found = parse("0 1000 250\n1 1010 -t\n= 1020\n0 1030 2", "pod: file")
    assert found.samples == (Sample(0, 1000, 250), Sample(1, 1010, None, "t"))
    assert found.decided_ns == 1020


@pytest.mark.parametrize("line", ["hello\n", "0 1\n", "0 x 1\n", "0 1 -\n", "= x\n"])
def test_anything_else_is_no_journal(line: str) -> None:
    with pytest.raises(ParseError, match="pod: file"):
        parse(line, "pod: file")
