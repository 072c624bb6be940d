"""The words of BGP: message types, families, states, treatments. Values as IANA registers them."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import NamedTuple

MARKER = b"\xff" * 16  # RFC 4271 section 4.1
HEADER_LENGTH = 19  # RFC 4271 section 4.1
MAX_LENGTH = 4096  # RFC 4271 section 4.1
MAX_EXTENDED_LENGTH = 65535  # RFC 8654 section 4
AS_TRANS = 23456  # RFC 6793 section 9
BGP_PORT = 179
CAPABILITIES_PARAMETER = 2  # RFC 5492 section 4
EXTENDED_PARAMETERS = 255  # RFC 9072 section 2


class MessageType(IntEnum):
    """RFC 4271 section 4.1, RFC 2918 section 3."""

    OPEN = 1
    UPDATE = 2
    NOTIFICATION = 3
    KEEPALIVE = 4
    ROUTE_REFRESH = 5

    @property
    def label(self) -> str:
        """The name as the RFC prints it, such as `ROUTE-REFRESH`."""
        return self.name.replace("_", "-")


class FsmState(Enum):
    """RFC 4271 section 8.2.2."""

    IDLE = "Idle"
    CONNECT = "Connect"
    ACTIVE = "Active"
    OPEN_SENT = "OpenSent"
    OPEN_CONFIRM = "OpenConfirm"
    ESTABLISHED = "Established"


class Treatment(Enum):
    """What RFC 7606 section 2 tells a receiver to do with an error."""

    SESSION_RESET = "session-reset"
    TREAT_AS_WITHDRAW = "treat-as-withdraw"
    ATTRIBUTE_DISCARD = "attribute-discard"


_AFI_NAMES = {1: "ipv4", 2: "ipv6", 25: "l2vpn", 16388: "bgp-ls"}
_SAFI_NAMES = {
    1: "unicast",
    2: "multicast",
    4: "labeled-unicast",
    65: "vpls",
    70: "evpn",
    71: "bgp-ls",
    73: "sr-policy",
    128: "vpn-unicast",
    129: "vpn-multicast",
    132: "route-target",
    133: "flowspec",
    134: "flowspec-vpn",
}


class Family(NamedTuple):
    """An AFI and SAFI pair (RFC 4760 section 3); `str()` is like `ipv4/unicast`."""

    afi: int
    safi: int

    def __str__(self) -> str:
        afi = _AFI_NAMES.get(self.afi, f"afi-{self.afi}")
        return f"{afi}/{_SAFI_NAMES.get(self.safi, f'safi-{self.safi}')}"


IPV4_UNICAST = Family(1, 1)
IPV6_UNICAST = Family(2, 1)
