r"""JSON as an API server writes it: its patches compare texts byte by byte, in their encoded form.

A test of a JSON patch fails where ``&`` stands for itself and not as ``\u0026``, although both are the same text
(source: evanphx/json-patch, lazyNode.equal; Go, encoding/json, HTMLEscape: ``<``, ``>``, ``&``, U+2028 and U+2029).
"""

import json
from typing import Any, Final

_ESCAPED: Final = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}


def go_json(value: Any) -> str:
    """Encode a value as Go's ``encoding/json`` does. Outside of texts none of the escaped characters can stand."""
    return json.dumps(value, ensure_ascii=False).translate(_ESCAPED)
