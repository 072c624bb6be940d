"""The two layouts of calicoctl's tables, against what the real libraries print."""

from __future__ import annotations

from labgen.calico import tables


def test_aligned_is_gos_tabwriter() -> None:
    rows = [
        ["NAME", "ASN", "IPV4", "IPV6"],
        ["node1", "(64512)", "10.192.0.2/16", ""],
        ["node2", "64513", "10.192.0.3/16", "2001::103/64"],
    ]
    assert tables.aligned(rows) == (
        "NAME    ASN       IPV4            IPV6           \n"
        "node1   (64512)   10.192.0.2/16                  \n"
        "node2   64513     10.192.0.3/16   2001::103/64   \n"
    )


def test_a_narrow_column_has_five_characters() -> None:
    assert tables.aligned([["A", ""], ["b", ""]]) == "A         \nb         \n"


def test_bordered_aligns_numbers_right_and_their_headers_left() -> None:
    header = ["GROUPING", "CIDR", "IPS TOTAL", "IPS IN USE"]
    text = tables.bordered(
        header, [["IP Pool", "10.0.0.0/16", "65536", "7 (0%)"]], frozenset({2, 3})
    )
    assert text.splitlines()[1:4] == [
        "| GROUPING | CIDR        | IPS TOTAL | IPS IN USE |",
        "+----------+-------------+-----------+------------+",
        "| IP Pool  | 10.0.0.0/16 |     65536 |     7 (0%) |",
    ]


def test_numbers_are_gos() -> None:
    assert tables.general(65536) == "65536"
    assert tables.general(16777216) == "1.6777e+07"
    assert tables.general(0) == "0"
    assert tables.share(65529, 65536) == "65529 (100%)"
    assert tables.share(3, 64) == "3 (5%)"
