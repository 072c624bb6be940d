"""Commands that are not BGP: sections, terminal lines, logging, and the words of a session."""

from __future__ import annotations

from labgen.bigip.rules import FRR_BFD, FRR_ZEBRA, Context, Place, Rule, Severity, Verdict

_GLOBAL = (Context.GLOBAL,)


def _dropped(
    contexts: tuple[Context, ...],
    pattern: str,
    reason: str,
    *,
    opens: Context | None = None,
    reference: str = FRR_ZEBRA,
    repeats: bool = True,
) -> Rule:
    return Rule(
        contexts,
        pattern,
        Verdict.UNSUPPORTED,
        (),
        (),
        severity=Severity.WARNING,
        reason=reason,
        reference=reference,
        place=Place.NOWHERE,
        opens=opens,
        repeats=repeats,
    )


_BGP_ONLY = "the stand-in runs BGP only"
_TERMINAL = "terminal lines are the BIG-IP's own"
_DEBUG = "debugging is not carried over"
_ACCOUNTS = "accounts are the BIG-IP's own"
_BFD_TIMERS = "FRR uses its own BFD timers (300 ms, multiplier 3)"
_LOGGING = "the stand-in keeps its own log"

_SECTIONS = (
    Rule(_GLOBAL, "router bgp <asn:asn>", opens=Context.ROUTER_BGP),
    Rule(_GLOBAL, "interface <interface:interface>", opens=Context.INTERFACE),
    _dropped(
        _GLOBAL,
        "router <protocol:ospf|rip|isis|vrrp|ipv6> [<process:line>]",
        _BGP_ONLY,
        opens=Context.FOREIGN,
    ),
    _dropped(_GLOBAL, "key chain <name:word>", _BGP_ONLY, opens=Context.FOREIGN),
    _dropped(
        _GLOBAL,
        "ip vrf <vrf:word>",
        "a VRF is a route domain of its own: give it a stand-in of its own",
        opens=Context.FOREIGN,
    ),
    _dropped(_GLOBAL, "line <kind:con|console|vty> [<range:line>]", _TERMINAL, opens=Context.LINE),
    *(
        _dropped((Context.LINE,), pattern, _TERMINAL)
        for pattern in (
            "login [{method:line}]",
            "exec-timeout {time:line}",
            "privilege level {level:0-16}",
            "history max {lines:0-2147483647}",
        )
    ),
)

# Nothing here may fit a line of the global mode as well: a pasted text closes no section.
_INTERFACES = (
    Rule((Context.INTERFACE,), "description {text:line}"),
    Rule(
        (Context.INTERFACE,),
        "shutdown",
        states_negation=True,
        frr_negated=("no shutdown",),
    ),
    *(
        _dropped((Context.INTERFACE,), pattern, reason, reference=reference)
        for pattern, reason, reference in (
            ("bfd interval {parameters:line}", _BFD_TIMERS, FRR_BFD),
            ("ip address {address:line}", "addresses are self-IPs: give them in tmsh", FRR_ZEBRA),
            ("ipv6 address {address:line}", "addresses are self-IPs: give them in tmsh", FRR_ZEBRA),
            ("ip <protocol:igmp|ospf|pim|rip|router> [{parameters:line}]", _BGP_ONLY, FRR_ZEBRA),
            ("ipv6 <protocol:nd|ospf|pim|rip|router> [{parameters:line}]", _BGP_ONLY, FRR_ZEBRA),
            ("isis {parameters:line}", _BGP_ONLY, FRR_ZEBRA),
            ("mpls {parameters:line}", _BGP_ONLY, FRR_ZEBRA),
            ("mtu {octets:64-65535}", "the lab's link has its MTU", FRR_ZEBRA),
            ("bandwidth {rate:word}", "nothing in BGP depends on it", FRR_ZEBRA),
            ("multicast", "nothing in BGP depends on it", FRR_ZEBRA),
        )
    ),
)

_SYSTEM = (
    Rule(_GLOBAL, "log syslog"),
    Rule(_GLOBAL, "hostname {name:word}"),
    Rule(_GLOBAL, "service password-encryption", states_negation=True),
    *(
        _dropped(_GLOBAL, pattern, reason)
        for pattern, reason in (
            ("log file {path:word}", _LOGGING),
            ("log {target:line}", _LOGGING),
            ("service {name:line}", _TERMINAL),
            ("banner motd {text:line}", _TERMINAL),
            ("enable password {password:secret}", _ACCOUNTS),
            ("password {password:secret}", _ACCOUNTS),
            ("username <name:word> {password:secret}", _ACCOUNTS),
            ("debug {what:line}", _DEBUG),
            ("undebug {what:line}", _DEBUG),
            ("bfd {parameters:line}", _BFD_TIMERS),
            ("snmp-server {parameters:line}", "the stand-in has no SNMP agent"),
            ("snmp {parameters:line}", "the stand-in has no SNMP agent"),
            ("max-fib-routes {limit:line}", "the kernel's table has no such limit"),
            ("max-static-routes {limit:line}", "FRR has no such limit"),
            ("maximum-paths {paths:1-64}", "FRR sets it in `router bgp` alone"),
            ("ip forwarding", "the stand-in always forwards"),
            ("ipv6 forwarding", "the stand-in always forwards"),
            ("cli {what:line}", _TERMINAL),
        )
    ),
)

# What a person types around a configuration; it configures nothing.
_SESSION = tuple(
    Rule(
        (Context.SESSION,),
        pattern,
        Verdict.SAME,
        (),
        (),
        place=Place.NOWHERE,
        reason="a word of the session, not of the configuration",
        repeats=True,
    )
    for pattern in (
        "imish [{options:line}]",
        "enable",
        "disable",
        "configure terminal",
        "write [{target:memory|file|terminal}]",
        "copy running-config startup-config",
        "end",
        "exit",
        "quit",
        "logout",
        "exit-address-family",
        "terminal {what:line}",
        "show {what:line}",
        "clear {what:line}",
    )
)

SYSTEM_RULES: tuple[Rule, ...] = (*_SECTIONS, *_INTERFACES, *_SYSTEM)
SESSION_RULES = _SESSION
