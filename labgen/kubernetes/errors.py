"""Refusals in the API server's and kubectl's own words."""

from __future__ import annotations

from labgen.errors import InputError


class ServerError(InputError):
    """What the API server answers in place of doing it.

    `str()` is the line that kubectl prints: `Error from server (NotFound): …`, or the bare reason
    for `Invalid`, which kubectl prints as it stands.
    """

    def __init__(self, reason: str, message: str, *, bare: bool = False) -> None:
        super().__init__(message if bare else f"Error from server ({reason}): {message}")
        self.reason = reason
        self.detail = message


class KubectlError(InputError):
    """What kubectl itself refuses: `str()` starts with `error: `, as kubectl prints it."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"error: {message}", hint=hint)


def not_found(resource: str, name: str) -> ServerError:
    """`resource` is the plural with its group: `deployments.apps`."""
    return ServerError("NotFound", f'{resource} "{name}" not found')


def already_exists(resource: str, name: str) -> ServerError:
    return ServerError("AlreadyExists", f'{resource} "{name}" already exists')
