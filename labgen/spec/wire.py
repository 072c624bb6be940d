"""What the wire must show, as a user writes it in the lab spec: `labgen verify` judges it.

Every statement is about one direction: what `from` says to `to`.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated, Literal

from pydantic import Field
from pydantic import model_validator as _model_validator

from labgen.spec.stages import Address, Duration, Name, Network, Strict

Capability = Literal[
    "multiprotocol",
    "route_refresh",
    "extended_next_hop",
    "extended_message",
    "role",
    "graceful_restart",
    "four_octet_as",
    "add_path",
    "enhanced_route_refresh",
    "long_lived_graceful_restart",
    "fqdn",
    "route_refresh_cisco",
]
"""As `labgen wire --json` names them."""

FamilyName = Literal["ipv4/unicast", "ipv6/unicast"]
MessageKind = Literal["update", "notification", "route-refresh"]
AsNumber = Annotated[int, Field(ge=1, le=4294967295, strict=True)]
Number = Annotated[int, Field(ge=0, le=4294967295, strict=True)]


class OpenFields(Strict):
    """Fields of an OPEN."""

    asn: AsNumber | None = None
    hold_time: Number | None = Field(None, description="seconds")
    bgp_identifier: IPv4Address | None = None


class Agreed(Strict):
    """What both OPENs together must have led to."""

    hold_time: Number | None = Field(None, description="seconds")
    families: list[FamilyName] | None = Field(None, description="exactly these")
    four_octet_as: bool | None = None
    route_refresh: bool | None = None
    enhanced_route_refresh: bool | None = None
    graceful_restart: bool | None = None
    long_lived_graceful_restart: bool | None = None
    extended_message: bool | None = None


class RouteAttributes(Strict):
    """Attributes of an announcement; those that are not named may be anything."""

    next_hop: Address | None = None
    as_path: str | None = Field(None, description='such as "65001 65002"; "" is the empty path')
    origin: Literal["IGP", "EGP", "INCOMPLETE"] | None = None
    med: Number | None = Field(None, description="null: the attribute is absent")
    local_pref: Number | None = Field(None, description="null: the attribute is absent")
    communities: list[str] | None = Field(None, description="these at least")
    large_communities: list[str] | None = None
    extended_communities: list[str] | None = None


class Step(Strict):
    """A prefix announced or withdrawn."""

    announce: Network | None = None
    withdraw: Network | None = None

    @_model_validator(mode="after")
    def _one(self) -> Step:
        if (self.announce is None) == (self.withdraw is None):
            raise ValueError("either `announce` or `withdraw`")
        return self


class WireStatement(Strict):
    """What one speaker must have said to another, judged on the lab's capture."""

    from_: Name = Field(alias="from")
    to: Name
    offers: list[Capability] = Field(default_factory=list, description="in its OPEN")
    lacks: list[Capability] = Field(default_factory=list, description="not in its OPEN")
    open: OpenFields | None = None
    negotiated: Agreed | None = None
    announces: dict[Network, RouteAttributes | None] = Field(default_factory=dict)
    absent: list[Network] = Field(
        default_factory=list,
        description="prefixes it must not announce; judged after its End-of-RIB",
    )
    withdraws: list[Network] = Field(default_factory=list)
    in_order: list[Step] = Field(default_factory=list, description="others may lie between")
    end_of_rib: list[FamilyName] = Field(default_factory=list)
    never: list[MessageKind] = Field(default_factory=list, description="messages it must not send")
    keepalives: bool = Field(False, description="never silent for longer than the hold time allows")
    established_within: Duration | None = Field(
        None, description="from the connection's first packet to Established"
    )
