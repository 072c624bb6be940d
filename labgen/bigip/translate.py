"""ZebOS to FRR 8.4: every statement translated, accepted as the same, or reported with a reason.

FRR's defaults differ from a BIG-IP's; the lines that make up for that are rows of their own
(`Verdict.ADDED`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from labgen.bigip import grammar, running
from labgen.bigip.defaults import added
from labgen.bigip.frr_lines import FRR_VERSION, FrrLine, lay_out
from labgen.bigip.references import Named, Reference, undefined
from labgen.bigip.resolve import resolve
from labgen.bigip.rules import FRR_ROUTE_MAP, Context, Place, Severity, Verdict
from labgen.bigip.running import Fate, Running
from labgen.errors import InputError, InputErrors, Mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from labgen.bigip.grammar import Value
    from labgen.bigip.zebos import Config, Statement

__all__ = ["FRR_VERSION", "FrrLine", "Row", "Translation", "translate"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the side-by-side view; secrets are stars in `zebos` and `frr`.

    `mark` is None for what labgen adds, or the place of the `router bgp` it is added to.
    """

    mark: Mark | None
    zebos: str
    verdict: Verdict
    frr: tuple[str, ...] = ()
    reason: str = ""
    reference: str = ""
    severity: Severity = Severity.NONE


@dataclass(frozen=True, slots=True)
class Translation:
    """`frr_conf` is a whole frr.conf and holds passwords in clear; everything else has stars."""

    frr_conf: str = field(repr=False)
    lines: tuple[FrrLine, ...]
    rows: tuple[Row, ...]
    daemons: tuple[str, ...]
    problems: tuple[InputError, ...] = ()

    def require(self) -> Translation:
        """This translation, if FRR honours all that matters. Raises InputErrors otherwise."""
        if self.problems:
            raise InputErrors(self.problems)
        return self


def translate(config: Config, *, interfaces: Mapping[str, str] | None = None) -> Translation:
    """The FRR configuration that behaves as this ZebOS configuration does.

    `interfaces` maps a VLAN's name (`internal` or `/Common/internal`) to the Linux interface that
    stands for it; without it a VLAN keeps its name. Raises InputErrors for a configuration that
    contradicts itself; statements that FRR cannot honour are in `problems`.
    """
    routing = resolve(config)
    state = running.apply(config.statements)
    rows, lines, problems = _statements(config, state, interfaces)
    mark = routing.bgp.mark if routing.bgp else None
    denials = _denials(undefined(state.standing))
    for line, reason, reference in (*denials, *added(routing, state.standing)):
        lines.append(line)
        rows.append(Row(mark, "", Verdict.ADDED, (line.text(),), reason, reference))
    rows.extend(
        Row(r.mark, r.text, Verdict.SAME, (), f"configures nothing: {r.reason}")
        for r in config.remarks
    )
    daemons = ["zebra", "bgpd", "staticd"]
    if any(s.command == "neighbor fall-over bfd" for s in state.standing):
        daemons.append("bfdd")
    ordered = sorted(rows, key=lambda row: row.mark.line if row.mark else 0)
    return Translation(
        lay_out(lines), tuple(lines), tuple(ordered), tuple(daemons), tuple(problems)
    )


def _statements(
    config: Config, state: Running, interfaces: Mapping[str, str] | None
) -> tuple[list[Row], list[FrrLine], list[InputError]]:
    """A row for each statement, what FRR is told, and what it cannot honour."""
    rows: list[Row] = []
    lines: list[FrrLine] = []
    problems: list[InputError] = []
    missing = {reference.statement: reference for reference in undefined(state.standing)}
    for statement in config.statements:
        if statement in state.fates:
            rows.append(_not_standing(statement, *state.fates[statement]))
            continue
        try:
            produced = tuple(_lines(statement, interfaces, state.standing))
        except InputError as error:
            problems.append(error)
            continue
        lines.extend(produced)
        row = _row(statement, produced)
        if statement in missing:
            row = replace(row, reason=_dangling(missing[statement]))
        rows.append(row)
        if row.verdict is Verdict.UNSUPPORTED and row.severity is Severity.ERROR:
            problems.append(_problem(row))
    return rows, lines, problems


def _dangling(reference: Reference) -> str:
    return f"the {reference.kind.value} `{reference.name}` is not defined: nothing passes it"


def _denials(missing: Iterable[Reference]) -> Iterator[tuple[FrrLine, str, str]]:
    """FRR warns about a missing route map and then denies all; this says so in the file."""
    for name in dict.fromkeys(r.name for r in missing if r.kind is Named.ROUTE_MAP):
        header = f"route-map {name} deny 65535"
        line = FrrLine((header,), (), ("added", "route-map", name))
        yield line, f"`{name}` is used but not defined: nothing passes it", FRR_ROUTE_MAP


def _problem(row: Row) -> InputError:
    return InputError(f"`{row.zebos}` cannot be honoured: {row.reason}", mark=row.mark)


def _not_standing(statement: Statement, fate: Fate, other: Statement | None) -> Row:
    where = f"line {other.mark.line}" if other else ""
    reason = {
        Fate.REPLACED: f"replaced by {where}",
        Fate.TAKEN_BACK: f"taken back by {where}",
        Fate.TAKES_BACK: f"takes back {where}",
        Fate.AGAIN: f"opens the section of {where} again",
        Fate.IDLE: "states the default",
    }[fate]
    return Row(statement.mark, statement.text(), Verdict.SAME, (), reason)


def _row(statement: Statement, lines: Sequence[FrrLine]) -> Row:
    rule = statement.rule
    outer = next((o for o in statement.scope if o.rule.verdict is Verdict.UNSUPPORTED), None)
    shown = tuple(line.text() for line in lines)
    if outer is not None:
        reason = f"part of `{outer.text()}`: {outer.rule.reason}"
        return Row(
            statement.mark,
            statement.text(),
            Verdict.UNSUPPORTED,
            (),
            reason,
            outer.rule.reference,
            Severity.WARNING,
        )
    verdict, reason = rule.verdict, rule.reason
    if statement.negated and rule.negated_verdict:
        verdict, reason = rule.negated_verdict, rule.negated_reason
    severity = rule.severity if verdict is Verdict.UNSUPPORTED else Severity.NONE
    return Row(statement.mark, statement.text(), verdict, shown, reason, rule.reference, severity)


def _lines(
    statement: Statement, interfaces: Mapping[str, str] | None, standing: Sequence[Statement]
) -> list[FrrLine]:
    rule = statement.rule
    if rule.place is Place.NOWHERE or any(o.rule.place is Place.NOWHERE for o in statement.scope):
        return []
    section = _section(statement, interfaces)
    if rule.opens is not None:
        return [FrrLine((*section, _header(statement, interfaces)), (), statement.identity)]
    if rule.command == "bgp enforce-first-as":
        return [
            FrrLine(section, ("neighbor", peer, "enforce-first-as"), (*statement.identity, peer))
            for peer in _creators(standing)
        ]
    values = _mapped(statement, interfaces)
    templates = rule.frr_negated if statement.negated else rule.frr
    if templates is None and rule.frr is None:
        prefix = ("no",) if statement.negated else ()
        changed = [_changed(word, statement, values) for word in statement.words]
        return [FrrLine(section, (*prefix, *changed), statement.identity)]
    rendered = [grammar.render(template, values) for template in templates or ()]
    return [
        FrrLine(section, words, (*statement.identity, number))
        for number, words in enumerate(rendered)
        if words
    ]


def _changed(word: Value, statement: Statement, values: Mapping[str, Value]) -> Value:
    """The word itself, or the Linux interface for a VLAN's name."""
    vlan = statement.values.get("interface")
    return values["interface"] if vlan is not None and word == vlan else word


def _creators(standing: Sequence[Statement]) -> list[str]:
    """Peers and peer groups that have a remote-as of their own."""
    return [s.value("peer") for s in standing if s.command == "neighbor remote-as"]


def _section(statement: Statement, interfaces: Mapping[str, str] | None) -> tuple[str, ...]:
    """The FRR section, outermost header first. BGP's IPv4 routes have one in FRR."""
    headers: list[str] = []
    for opener in statement.scope:
        if opener.rule.opens is Context.ADDRESS_FAMILY and statement.rule.place is Place.ROUTER:
            break
        headers.append(_header(opener, interfaces))
    in_router = statement.scope and statement.scope[-1].rule.opens is Context.ROUTER_BGP
    if in_router and statement.rule.is_family:
        headers.append("address-family ipv4 unicast")
    return tuple(headers)


def _header(opener: Statement, interfaces: Mapping[str, str] | None) -> str:
    if opener.rule.opens is Context.ADDRESS_FAMILY:
        return f"address-family {opener.value('afi')} {opener.value('safi')}"
    values = _mapped(opener, interfaces)
    return " ".join(str(_changed(word, opener, values)) for word in opener.words)


def _mapped(statement: Statement, interfaces: Mapping[str, str] | None) -> Mapping[str, Value]:
    vlan = statement.value("interface")
    if not vlan:
        return statement.values
    return {**statement.values, "interface": interface_of(vlan, interfaces, statement.mark)}


def interface_of(vlan: str, interfaces: Mapping[str, str] | None, mark: Mark) -> str:
    """The Linux interface of a VLAN, whose name may carry its folder (`/Common/internal`)."""
    name = vlan.rsplit("/", 1)[-1]
    if vlan == "lo":
        return "lo"
    if interfaces is not None:
        short = {known.rsplit("/", 1)[-1]: linux for known, linux in interfaces.items()}
        if (found := interfaces.get(vlan) or short.get(name)) is not None:
            return found
        if name == "tmm":
            return "lo"  # TMM's own interface: it holds the virtual addresses, as `lo` does here
        raise InputError(
            f"the VLAN `{vlan}` has no interface here",
            mark=mark,
            hint=f"known VLANs: {', '.join(sorted(interfaces)) or 'none'}",
        )
    return name
