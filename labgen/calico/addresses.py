"""Addresses and networks out of resource fields, with an error that names the field."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from labgen.errors import InputError

if TYPE_CHECKING:
    from labgen.calico.resources import Resource

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def network_of(resource: Resource[Any], text: str, *keys: str | int) -> Network:
    """The CIDR in the field at `keys`, masked. Raises InputError with its mark."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise _error(resource, text, keys, "CIDR") from None


def address_of(resource: Resource[Any], text: str, *keys: str | int) -> Address:
    """The address in the field at `keys`, a prefix length left out. Raises InputError."""
    try:
        return ip_address(text.partition("/")[0])
    except ValueError:
        raise _error(resource, text, keys, "IP address") from None


def _error(
    resource: Resource[Any], text: str, keys: tuple[str | int, ...], wanted: str
) -> InputError:
    field = ".".join(str(key) for key in keys)
    return InputError(
        f"{resource.id}: {field} = '{text}' is no {wanted}", mark=resource.mark(*keys)
    )
