"""Calico's selector language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.calico.selector import SelectorError, parse

LABELS = {"a": "x", "route-reflector": "true", "k8s.io/role": "web", "empty": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("  ", True),
        ("all()", True),
        ("all( )", True),
        ("global()", True),
        ("!all()", False),
        ("has(a)", True),
        ("has( k8s.io/role )", True),
        ("has(b)", False),
        ("!has(b)", True),
        ("a == 'x'", True),
        ('a=="x"', True),
        ("a == 'y'", False),
        ("!a == 'y'", True),  # the negation takes the whole comparison
        ("a != 'y'", True),
        ("b != 'y'", True),  # true where the label is absent
        ("a != 'x'", False),
        ("a in {'x', 'y'}", True),
        ("a in {}", False),
        ("b in {'x'}", False),
        ("a not in {'y'}", True),
        ("a notin {'x'}", False),
        ("b not in {'x'}", True),
        ("k8s.io/role contains 'e'", True),
        ("b contains ''", False),
        ("empty contains ''", True),
        ("k8s.io/role starts with 'we'", True),
        ("k8s.io/role startswith'we'", True),
        ("k8s.io/role ends with 'eb'", True),
        ("k8s.io/role ends with 'we'", False),
        ("has(b) || has(a) && a == 'x'", True),
        ("has(a) || has(b) && has(b)", True),  # && binds tighter
        ("(has(a) || has(b)) && has(b)", False),
        ("!(has(b) && has(a))", True),
        ("!!has(a)", True),
        ("route-reflector == 'true'", True),
        ("has(all)", False),
        ("a == 'it''s'", None),
        ("a", None),
        ("has(a", None),
        ("has(a) &&", None),
        ("has(a) & has(b)", None),
        ("a = 'x'", None),
        ("a == x", None),
        ("a in ('x')", None),
        ("a in {'x'", None),
        ("all", None),
        ("a == 'x", None),
        ("(" * 200 + "has(a)" + ")" * 200, None),
        ("a" * 513 + " == 'x'", None),
    ],
)
def test_selectors(text: str, expected: bool | None) -> None:
    if expected is None:
        with pytest.raises(SelectorError):
            parse(text)
    else:
        assert parse(text).matches(LABELS) is expected


def test_an_error_says_where_and_what() -> None:
    with pytest.raises(SelectorError) as caught:
        parse("has(a) && b = 'x'")
    assert caught.value.position == 13
    assert "character 13: expected `==`" in str(caught.value)


@given(st.text(alphabet="ab'\"(){}!=&|, nothaswith", max_size=40))
def test_no_text_breaks_the_parser(text: str) -> None:
    position = 1
    try:
        assert parse(text).matches({"a": "b"}) in (True, False)
    except SelectorError as error:
        position = error.position
    assert 1 <= position <= len(text) + 1
