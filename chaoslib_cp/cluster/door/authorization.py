"""The header that carries a token: made in one place, checked before anything is sent, its value never printed."""

from collections.abc import Iterable
from typing import Any

from chaoslib_cp.errors import TargetRefused


def authorization(client_configuration: Any) -> dict[str, str]:
    """The header that carries a token; empty with a client certificate.

    What stands around the token is left out: a file made with ``echo`` and a block of YAML end with a line break.
    Some versions of the client (seen: 36.0) lose the scheme of a token that was set as chaosk8s sets it.
    """
    for setting in client_configuration.auth_settings().values():
        if setting["in"] == "header" and setting["value"]:
            given = str(setting["value"]).strip()
            scheme, _, token = given.partition(" ")
            if not token:
                scheme, token = client_configuration.api_key_prefix.get(setting["key"]) or "Bearer", given
            return {setting["key"]: f"{scheme} {token.strip()}"}
    return {}


def refuse_unsendable(place: str, what: str, values: Iterable[str]) -> None:
    """Refuse what http.client would refuse in an error that repeats the whole header, the token included.

    Args:
        place: Where the user gave it.
        what: Which key it is, in words.
        values: Values of headers.

    Raises:
        TargetRefused: A header would hold a control character or one outside of latin-1; nothing was changed.
    """
    if not all(_may_be_sent(value) for value in values):
        raise TargetRefused(
            f"{place}: {what} holds a line break, another control character or one outside of latin-1, which no HTTP "
            "header may hold; nothing was changed; give it as one line of plain text"
        )


def _may_be_sent(value: str) -> bool:
    """Whether a header may have this value (RFC 9110, 5.5: visible characters, blanks, and bytes from 0x80 on)."""
    return all(" " <= character <= "~" or "\x80" <= character <= "\xff" for character in value)
