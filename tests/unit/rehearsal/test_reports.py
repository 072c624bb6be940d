"""What a rehearsal looks like: on a terminal of any width, as a page, as JUnit."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from ipaddress import ip_address

import pytest

from labgen.check.model import Finding, Rung, Status
from labgen.rehearsal.outages import BgpEvent, Gap, Loss
from labgen.rehearsal.result import Outcome, Rehearsal, StageResult
from labgen.report import rehearsal as report
from labgen.report.rehearsal_html import page
from labgen.report.rehearsal_timeline import timeline

S = 1_000_000_000
ENDS = (ip_address("172.17.0.7"), ip_address("172.17.0.9"))
EVENT = BgpEvent(
    1001 * S, 0, "NOTIFICATION Cease/Other Configuration Change, cluster-b-m02 to cluster-b-m04",
    ENDS, "captures/demo/default.00001.pcapng#834",
)  # fmt: skip
ACTION = "apply cluster_b_calicomanifests/bgp-configuration.yaml on cluster-b"


def gap(start: float = 1001.2, end: float | None = 1003.2, after_ms: float = 183) -> Gap:
    ended = None if end is None else int(end * S)
    return Gap(int(start * S), ended, 1004 * S, 194, ACTION, after_ms, EVENT)


def finding(status: Status, text: str = "AS of cluster-b") -> Finding:
    return Finding("as-number", status, Rung.OPEN, text, "AS 64513", "AS 64512 on 4 nodes")


def rehearsal(*, name: str = "AS of cluster-b", flow: str = "b-inside") -> Rehearsal:
    change = StageResult(
        name, Outcome.FAIL, 1000 * S, 4.0, ((ACTION, 1001 * S),), (finding(Status.FAIL),),
        (
            Loss(flow, name, True, 367, 194, (("no answer", 194),), gap()),
            Loss("a-inside", name, True, 367, 0, first_answer_ns=1002 * S),
            Loss("a-to-b", name, False, 367, 0),
        ),
        ("OPEN: AS of cluster-b: expected AS 64513 with every peer; last seen: AS 64512",
         "TRAFFIC: not reached"),
    )  # fmt: skip
    last = StageResult("route reflectors", Outcome.NOT_RUN)
    return Rehearsal("two-clusters", (change, last), 12.5, True, 3.9, ("the lab ran already",),
                     (("shell-b", 0.031),))  # fmt: skip


@pytest.mark.parametrize("width", [72, 80, 120])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_lost(width: int) -> None:
    wide = report.lines(rehearsal())
    narrow = report.lines(rehearsal(), width=width)
    assert max(map(len, narrow)) < width
    assert " ".join(" ".join(narrow).split()) == " ".join(" ".join(wide).split())


def test_a_row_says_when_its_gap_began_and_why() -> None:
    told = report.lines(rehearsal())
    at = next(n for n, line in enumerate(told) if line.startswith("  b-inside"))
    assert told[at].split() == ["b-inside", "367", "194", "2000", "ms"]
    assert told[at + 1] == f"    began   183 ms after {ACTION}"
    assert told[at + 2].startswith("    why     NOTIFICATION Cease")
    assert told[at + 2].endswith("200 ms before (default.00001.pcapng#834)")
    assert "first answers here" in told[at + 3]
    assert told[at + 4].split(maxsplit=3) == ["a-to-b", "367", "-", "not reachable yet"]
    assert told[-1] == "FAIL: 0 of 2 stages in 12.5 s, 3.9 s of them to deploy"


def test_colours_mark_words_only() -> None:
    plain = report.lines(rehearsal(), width=80)
    marked = report.lines(rehearsal(), lambda text, colour: f"<{colour}:{text}>", width=80)
    assert any("<red:✗ FAIL>" in line for line in marked)
    assert any("<red:broken>" in line for line in marked)
    assert [re.sub(r"<\w+:([^>]*)>", r"\1", line) for line in marked] == plain


@pytest.mark.parametrize(
    ("end", "after_ms", "cells"),
    [
        (None, 183, ("2800 ms and on", f"183 ms after {ACTION}")),
        (1003.2, -4, ("2000 ms", f"4 ms before {ACTION}")),
    ],
)
def test_open_gaps_and_those_just_before_an_action(
    end: float | None, after_ms: float, cells: tuple[str, str]
) -> None:
    loss = Loss("f", "s", True, 300, 194, (), gap(end=end, after_ms=after_ms))
    assert tuple(report.row(loss)[3:5]) == cells


def test_the_timeline_has_an_axis_and_keeps_to_its_frame() -> None:
    picture = ET.fromstring(timeline(rehearsal()))
    _, _, width, height = map(float, picture.get("viewBox", "").split())
    bars = list(picture.iter("rect"))
    assert {bar.get("class") for bar in bars} == {"band odd", "answer", "gap"}
    for bar in bars:
        x, y, wide, high = (float(bar.get(k, "")) for k in ("x", "y", "width", "height"))
        assert x >= 0
        assert x + wide <= width
        assert y + high <= height
    marks = [e.text for e in picture.iter("text") if e.get("class") == "axis"]
    assert marks == ["0 s", "1 s", "2 s", "3 s", "4 s"]
    by_class = {bar.get("class"): bar for bar in bars}
    scale = float(by_class["band odd"].get("width", "")) / 4
    assert float(by_class["gap"].get("width", "")) == pytest.approx(2 * scale, abs=0.2)


@pytest.mark.parametrize("seconds", [0.4, 45, 4000])
def test_the_axis_has_a_few_marks_whatever_the_length(seconds: float) -> None:
    stage = replace(rehearsal().stages[0], seconds=seconds)
    picture = ET.fromstring(timeline(replace(rehearsal(), stages=(stage,))))
    marks = [e for e in picture.iter("text") if e.get("class") == "axis"]
    assert 1 <= len(marks) <= 13


def test_nothing_played_is_no_picture() -> None:
    idle = replace(rehearsal(), stages=(StageResult("one", Outcome.NOT_RUN),))
    assert timeline(idle) == ""
    assert "<svg" not in page(idle)


class Tags(HTMLParser):
    """Every tag of a page, and that each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


EVIL = "<script>alert('&')</script>"


def test_a_page_holds_no_markup_of_the_users() -> None:
    made = rehearsal(name=EVIL, flow=EVIL)
    event = replace(EVENT, text=EVIL, where=EVIL)
    loss = replace(made.stages[0].losses[0], longest=replace(gap(), action=EVIL, explained=event))
    stage = replace(
        made.stages[0], actions=((EVIL, 1001 * S),), story=(EVIL,), losses=(loss,),
        findings=(finding(Status.PASS, EVIL),),
    )  # fmt: skip
    text = page(replace(made, lab=EVIL, stages=(stage,), notes=(EVIL,), probe_cost=((EVIL, 0.1),)))
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert not tags.seen & {"script", "link", "img", "iframe"}
    assert text.count(EVIL.split("(", maxsplit=1)[0]) == 0
    assert "://" not in text  # it needs nothing from anywhere


def test_a_page_leaves_out_columns_without_content() -> None:
    made = rehearsal()
    assert "<th" in page(made)
    assert "Explained by" in page(made)
    calm = replace(made.stages[0], losses=made.stages[0].losses[1:])
    assert "Explained by" not in page(replace(made, stages=(calm,)))


def test_junit_counts_what_is_not_as_expected() -> None:
    root = ET.fromstring(report.junit(rehearsal()))
    # the stage, and its finding; and the stage that was not run
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("3", "2", "1")
    odd = replace(rehearsal().stages[0], story=("a \x1b[31m colour",))
    ET.fromstring(report.junit(replace(rehearsal(), stages=(odd,))))
