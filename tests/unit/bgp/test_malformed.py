"""What the RFCs do not allow: frame, offset, section and treatment; decoding goes on."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from labgen.bgp.fields import JsonLines
from labgen.bgp.vocabulary import MARKER
from labgen.capture.assembler import Assembler
from labgen.capture.read import stream_messages
from tests.unit.capture import scenarios
from tests.unit.capture.packets import pcap
from tests.unit.capture.scenarios import (
    NEXT_HOP,
    ORIGIN,
    PATH,
    ROUTE,
    as_path,
    capabilities,
    framed,
    mp_reach,
    raw_attribute,
    raw_update,
)


def told(tmp_path: Path, octets: bytes) -> tuple[dict, list[str]]:
    """The JSON object of the message that the client sends in frame 10, and all types."""
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(scenarios.said(octets), link_type=101))
    lines = JsonLines()
    found = [json.loads(lines.line(m)) for m in stream_messages([path], Assembler(keep=False))]
    return next(m for m in found if m["frame"] == 10), [m["type"] for m in found]


def with_attribute(octets: bytes) -> bytes:
    return raw_update(ORIGIN, PATH, NEXT_HOP, octets, nlri=ROUTE)


RESET = {
    "marker": (b"\0" + MARKER[1:] + b"\0\x13\4", 0, "4271 section 6.1"),
    "length-18": (MARKER + b"\0\x12\4" + b"\0" * 20, 16, "4271 section 6.1"),
    "length-of-keepalive": (framed(4, b"\0"), 16, "4271 section 6.1"),
    "length-of-open": (framed(1, b"\4"), 16, "4271 section 6.1"),
    "type-9": (framed(9, b""), 18, "4271 section 6.1"),
    "type-0": (framed(0, b""), 18, "4271 section 6.1"),
    "open-parameters-too-long": (
        framed(1, b"\4\0\1\0\x5a" + bytes(4) + b"\x09"),
        28,
        "4271 section 6.2",
    ),
    "open-capability-too-long": (capabilities((1, "00010001"))[:-5] + b"\x0900001"[:5], 31, "5492"),
    "withdrawn-too-long": (framed(2, b"\0\x09\0\0"), 19, "7606 section 3"),
    "attributes-too-long": (framed(2, b"\0\0\0\x09"), 21, "7606 section 3"),
    "prefix-of-33": (
        raw_update(ORIGIN, PATH, NEXT_HOP, nlri=b"\x21\x0a\0\0\0\0"),
        None,
        "7606 section 5.3",
    ),
    "prefix-cut": (raw_update(ORIGIN, PATH, NEXT_HOP, nlri=b"\x18\x0a"), None, "7606 section 5.3"),
    "withdrawn-prefix-of-33": (raw_update(withdrawn=b"\x21\x0a\0\0\0\0"), 21, "7606 section 5.3"),
    "mp-reach-twice": (
        raw_update(*[mp_reach(2, 1, scenarios.GLOBAL, b"\0")] * 2),
        None,
        "7606 section 3 (g)",
    ),
    "mp-reach-short": (
        raw_update(ORIGIN, PATH, raw_attribute(0x80, 14, b"\0\2\1\x40")),
        None,
        "7606 section 7.11",
    ),
    "mp-reach-next-hop-of-5": (
        raw_update(ORIGIN, PATH, mp_reach(2, 1, bytes(5), b"\0")),
        None,
        "7606 section 7.11",
    ),
    "mp-unreach-short": (raw_update(raw_attribute(0x80, 15, b"\0\2")), None, "7606 section 5.3"),
    "unknown-well-known": (with_attribute(raw_attribute(0x40, 99, b"")), None, "4271 section 6.3"),
    "refresh-short": (framed(5, b"\0\1\0"), 16, "4271 section 6.1"),
    "borr-long": (framed(5, b"\0\1\1\1abc"), 16, "7313 section 5"),
    "notification-short": (framed(3, b"\6"), 16, "4271 section 6.1"),
}


@pytest.mark.parametrize("name", RESET)
def test_what_costs_the_session(tmp_path: Path, name: str) -> None:
    octets, offset, reference = RESET[name]
    found, types = told(tmp_path, octets)
    error = found["error"]
    assert error["treatment"] == "session-reset"
    assert reference in error["reference"]
    assert error["offset"] == offset if offset is not None else 19 < error["offset"] < len(octets)
    assert found["octets"] == octets.hex()[: len(found["octets"])]
    assert types[-1] == "KEEPALIVE", "decoding goes on"
    assert len(types) == 6


WITHDRAW, DISCARD = "treat-as-withdraw", "attribute-discard"
SPARED = {
    "origin-3": (
        raw_update(raw_attribute(0x40, 1, b"\3"), PATH, NEXT_HOP, nlri=ROUTE),
        WITHDRAW,
        "7.1",
    ),
    "origin-missing": (raw_update(PATH, NEXT_HOP, nlri=ROUTE), WITHDRAW, "3 (d)"),
    "next-hop-missing": (raw_update(ORIGIN, PATH, nlri=ROUTE), WITHDRAW, "3 (d)"),
    "as-path-segment-7": (
        raw_update(ORIGIN, as_path((7, (1,))), NEXT_HOP, nlri=ROUTE),
        WITHDRAW,
        "7.2",
    ),
    "as-path-empty-segment": (
        raw_update(ORIGIN, as_path((2, ())), NEXT_HOP, nlri=ROUTE),
        WITHDRAW,
        "7.2",
    ),
    "as-path-of-two-octets": (
        raw_update(ORIGIN, as_path((2, (1,)), width=2), NEXT_HOP, nlri=ROUTE),
        WITHDRAW,
        "7.2",
    ),
    "next-hop-of-5": (
        raw_update(ORIGIN, PATH, raw_attribute(0x40, 3, bytes(5)), nlri=ROUTE),
        WITHDRAW,
        "7.3",
    ),
    "med-of-3": (with_attribute(raw_attribute(0x80, 4, bytes(3))), WITHDRAW, "7.4"),
    "local-pref-of-5": (with_attribute(raw_attribute(0x40, 5, bytes(5))), WITHDRAW, "7.5"),
    "atomic-aggregate-of-1": (with_attribute(raw_attribute(0x40, 6, b"\0")), DISCARD, "7.6"),
    "aggregator-of-6": (with_attribute(raw_attribute(0xC0, 7, bytes(6))), DISCARD, "7.7"),
    "communities-of-5": (with_attribute(raw_attribute(0xC0, 8, bytes(5))), WITHDRAW, "7.8"),
    "originator-of-3": (with_attribute(raw_attribute(0x80, 9, bytes(3))), WITHDRAW, "7.9"),
    "cluster-list-empty": (with_attribute(raw_attribute(0x80, 10, b"")), WITHDRAW, "7.10"),
    "extended-of-7": (with_attribute(raw_attribute(0xC0, 16, bytes(7))), WITHDRAW, "7.14"),
    "as4-path-cut": (with_attribute(raw_attribute(0xC0, 17, b"\2\2\0")), DISCARD, "6"),
    "large-of-11": (with_attribute(raw_attribute(0xC0, 32, bytes(11))), WITHDRAW, "5"),
    "flags-of-origin": (
        raw_update(raw_attribute(0x80, 1, b"\0"), PATH, NEXT_HOP, nlri=ROUTE),
        WITHDRAW,
        "3 (c)",
    ),
    "origin-twice": (raw_update(ORIGIN, ORIGIN, PATH, NEXT_HOP, nlri=ROUTE), DISCARD, "3 (g)"),
    "attribute-overruns": (with_attribute(b"\xc0\x08\x09\0"), WITHDRAW, "4"),
}


@pytest.mark.parametrize("name", SPARED)
def test_what_rfc_7606_spares_the_session(tmp_path: Path, name: str) -> None:
    octets, treatment, section = SPARED[name]
    found, types = told(tmp_path, octets)
    (error, *_) = found["errors"]
    assert error["treatment"] == treatment
    assert error["reference"].endswith(f"section {section}")
    assert 19 <= error["offset"] < len(octets)
    assert error["notification"][0] == 3
    assert types == ["OPEN", "OPEN", "KEEPALIVE", "KEEPALIVE", "UPDATE", "KEEPALIVE"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x0cgone fishing", "gone fishing"),
        (b"\x03\xff\xfe!", "\ufffd\ufffd!"),  # not UTF-8: shown with replacement characters
        (b"\x09short", None),  # longer than the message
        (b"\0", None),
        (b"\xff" + "ü".encode() * 127 + b"!", "ü" * 127 + "!"),
        (b"\x05a\x1b[2J", "a\x1b[2J"),
    ],
)
def test_shutdown_texts(tmp_path: Path, data: bytes, text: str | None) -> None:
    """RFC 9003 section 2; octets that are no text stay readable as `data`."""
    found, _ = told(tmp_path, framed(3, b"\6\2" + data))
    assert found.get("shutdown_communication") == text
    assert found["data"] == data.hex()


def test_a_message_that_the_capture_cuts_is_not_malformed(tmp_path: Path) -> None:
    """Nothing is wrong with it: there is no treatment."""
    found, _ = told(tmp_path, scenarios.update("10.0.0.0/8")[:-1])
    # What follows on the other side does not complete it.
    assert found["error"]["treatment"] is None
    assert found["error"]["offset"] == found["length"] - 1
    assert struct.pack("!H", found["length"]).hex() == found["octets"][32:36]
