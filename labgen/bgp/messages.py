"""The five BGP messages as values (RFC 4271 section 4, RFC 2918)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

from labgen.bgp.attributes import NO_ATTRIBUTES, MpReachNlri, MpUnreachNlri, PathAttributes
from labgen.bgp.capabilities import Capability, FourOctetAs, Multiprotocol
from labgen.bgp.nlri import EMPTY, NlriBlock
from labgen.bgp.notification import error_name, subcode_name
from labgen.bgp.vocabulary import IPV4_UNICAST, Family, MessageType, Treatment

if TYPE_CHECKING:
    from ipaddress import IPv4Address

_C = TypeVar("_C", bound=Capability)


@dataclass(frozen=True, slots=True)
class OptionalParameter:
    """An optional parameter that is not Capabilities (RFC 4271 section 4.2)."""

    code: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Open:
    """RFC 4271 section 4.2. `hold_time` in seconds; `my_as` is the two-octet field as sent.

    `parameters` lists, per Capabilities optional parameter, how many capabilities it held: FRR
    sends one in each, BIRD all in one. `extended` marks the RFC 9072 form of the length fields.
    """

    TYPE: ClassVar[MessageType] = MessageType.OPEN
    version: int
    my_as: int
    hold_time: int
    bgp_identifier: IPv4Address
    capabilities: tuple[Capability, ...] = ()
    parameters: tuple[int, ...] = ()
    other_parameters: tuple[OptionalParameter, ...] = ()
    extended: bool = False

    def get(self, kind: type[_C]) -> _C | None:
        """The first capability of this class, if offered."""
        return next((c for c in self.capabilities if isinstance(c, kind)), None)

    def has(self, kind: type[Capability]) -> bool:
        return self.get(kind) is not None

    @property
    def asn(self) -> int:
        """The speaker's AS number: capability 65 if offered, else `my_as` (RFC 6793 4.1)."""
        four = self.get(FourOctetAs)
        return self.my_as if four is None else four.asn

    @property
    def families(self) -> tuple[Family, ...]:
        """The families offered; IPv4 unicast where no Multiprotocol capability is (RFC 4760 8)."""
        offered = tuple(c.family for c in self.capabilities if isinstance(c, Multiprotocol))
        return offered or (IPV4_UNICAST,)


@dataclass(frozen=True, slots=True)
class UpdateError:
    """An error in an UPDATE that does not cost the session: what RFC 7606 says to do with it.

    `offset` counts octets from the start of the message. `notification` is the (code, subcode)
    that RFC 4271 had sent.
    """

    reason: str
    offset: int
    reference: str
    treatment: Treatment
    notification: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Update:
    """RFC 4271 section 4.3. `errors` are those that RFC 7606 does not answer with a reset."""

    TYPE: ClassVar[MessageType] = MessageType.UPDATE
    withdrawn_routes: NlriBlock = EMPTY
    attributes: PathAttributes = NO_ATTRIBUTES
    nlri: NlriBlock = EMPTY
    errors: tuple[UpdateError, ...] = ()

    @property
    def announced(self) -> tuple[tuple[Family, NlriBlock], ...]:
        """The routes announced, per family; none when the treatment is treat-as-withdraw."""
        if self.treated_as_withdraw:
            return ()
        return self._carried

    @property
    def withdrawn(self) -> tuple[tuple[Family, NlriBlock], ...]:
        """The routes withdrawn, per family, RFC 7606's treat-as-withdraw included."""
        found = [(IPV4_UNICAST, self.withdrawn_routes)] if self.withdrawn_routes else []
        unreach = self.attributes.get(MpUnreachNlri)
        if unreach is not None and (unreach.withdrawn_routes or unreach.withdrawn_routes.raw):
            found.append((unreach.family, unreach.withdrawn_routes))
        return (*found, *self._carried) if self.treated_as_withdraw else tuple(found)

    @property
    def treated_as_withdraw(self) -> bool:
        return any(e.treatment is Treatment.TREAT_AS_WITHDRAW for e in self.errors)

    @property
    def carries_routes(self) -> bool:
        """Whether reachable routes stand in it, however they are to be treated."""
        return bool(self._carried)

    @property
    def _carried(self) -> tuple[tuple[Family, NlriBlock], ...]:
        found = [(IPV4_UNICAST, self.nlri)] if self.nlri else []
        reach = self.attributes.get(MpReachNlri)
        if reach is not None and (reach.nlri or reach.nlri.raw):
            found.append((reach.family, reach.nlri))
        return tuple(found)

    @property
    def end_of_rib(self) -> Family | None:
        """The family whose End-of-RIB this is (RFC 4724 section 2)."""
        if self.withdrawn_routes or self.nlri or self.errors:
            return None
        if not self.attributes:
            return IPV4_UNICAST
        unreach = self.attributes.get(MpUnreachNlri)
        if unreach is None or len(self.attributes) > 1 or unreach.withdrawn_routes:
            return None
        return unreach.family if unreach.withdrawn_routes.raw is None else None


@dataclass(frozen=True, slots=True)
class Notification:
    """RFC 4271 section 4.5."""

    TYPE: ClassVar[MessageType] = MessageType.NOTIFICATION
    error_code: int
    error_subcode: int
    data: bytes = b""

    @property
    def error(self) -> str:
        """The registered name of the code, such as `OPEN Message Error`."""
        return error_name(self.error_code)

    @property
    def name(self) -> str:
        """The registered name of the subcode, such as `Bad Peer AS`."""
        return subcode_name(self.error_code, self.error_subcode)

    @property
    def shutdown_communication(self) -> str | None:
        """The text of RFC 9003 section 2, for Administrative Shutdown and Reset."""
        if (self.error_code, self.error_subcode) not in {(6, 2), (6, 4)} or not self.data:
            return None
        length, text = self.data[0], self.data[1:]
        if not length or length > len(text):
            return None
        return text[:length].decode("utf-8", "replace")

    @property
    def hard_reset(self) -> Notification | None:
        """The NOTIFICATION inside a Hard Reset (RFC 8538 section 3.1)."""
        if (self.error_code, self.error_subcode) != (6, 9) or len(self.data) < 2:
            return None
        return Notification(self.data[0], self.data[1], self.data[2:])


@dataclass(frozen=True, slots=True)
class Keepalive:
    """RFC 4271 section 4.4."""

    TYPE: ClassVar[MessageType] = MessageType.KEEPALIVE


@dataclass(frozen=True, slots=True)
class RouteRefresh:
    """RFC 2918 section 3; `subtype` 1 and 2 are BoRR and EoRR (RFC 7313 section 3.2).

    `data` is what follows the four octets, such as an ORF list (RFC 5291).
    """

    TYPE: ClassVar[MessageType] = MessageType.ROUTE_REFRESH
    family: Family
    subtype: int = 0
    data: bytes = b""


Message = Open | Update | Notification | Keepalive | RouteRefresh
