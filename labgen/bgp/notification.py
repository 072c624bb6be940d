"""NOTIFICATION codes and subcodes by their registered names."""

from __future__ import annotations

# RFC 4271 section 4.5, RFC 7313 section 5, RFC 9687 section 4
_ERRORS = {
    1: "Message Header Error",
    2: "OPEN Message Error",
    3: "UPDATE Message Error",
    4: "Hold Timer Expired",
    5: "Finite State Machine Error",
    6: "Cease",
    7: "ROUTE-REFRESH Message Error",
    8: "Send Hold Timer Expired",
}

_SUBCODES = {
    1: {  # RFC 4271 section 6.1
        1: "Connection Not Synchronized",
        2: "Bad Message Length",
        3: "Bad Message Type",
    },
    2: {  # RFC 4271 section 6.2, RFC 5492 section 5, RFC 9234 section 4.2
        1: "Unsupported Version Number",
        2: "Bad Peer AS",
        3: "Bad BGP Identifier",
        4: "Unsupported Optional Parameter",
        5: "Authentication Failure",  # deprecated, but some speakers still send it
        6: "Unacceptable Hold Time",
        7: "Unsupported Capability",
        11: "Role Mismatch",
    },
    3: {  # RFC 4271 section 6.3
        1: "Malformed Attribute List",
        2: "Unrecognized Well-known Attribute",
        3: "Missing Well-known Attribute",
        4: "Attribute Flags Error",
        5: "Attribute Length Error",
        6: "Invalid ORIGIN Attribute",
        7: "AS Routing Loop",  # deprecated
        8: "Invalid NEXT_HOP Attribute",
        9: "Optional Attribute Error",
        10: "Invalid Network Field",
        11: "Malformed AS_PATH",
    },
    5: {  # RFC 6608 section 3
        1: "Receive Unexpected Message in OpenSent State",
        2: "Receive Unexpected Message in OpenConfirm State",
        3: "Receive Unexpected Message in Established State",
    },
    6: {  # RFC 4486 section 4, RFC 8538 section 3, RFC 9384 section 3
        1: "Maximum Number of Prefixes Reached",
        2: "Administrative Shutdown",
        3: "Peer De-configured",
        4: "Administrative Reset",
        5: "Connection Rejected",
        6: "Other Configuration Change",
        7: "Connection Collision Resolution",
        8: "Out of Resources",
        9: "Hard Reset",
        10: "BFD Down",
    },
    7: {1: "Invalid Message Length"},  # RFC 7313 section 5
}


def error_name(code: int) -> str:
    return _ERRORS.get(code, f"Unknown Error {code}")


def subcode_name(code: int, subcode: int) -> str:
    """The subcode's name; 0 is `Unspecific` in every code (RFC 4271 section 4.5)."""
    if subcode == 0:
        return "Unspecific"
    return _SUBCODES.get(code, {}).get(subcode, f"Unknown Subcode {subcode}")
