"""A secret that Terraform can use when a resource is destroyed and never prints.

A destroy-time provisioner may refer to nothing but its own resource. `terraform_data.input` can be updated in place, but
Terraform shows its copy in `output` in clear whenever the resource is replaced or destroyed. So the secret stands there
sealed, and the key to it in `triggers_replace`, which Terraform hides and which never changes.

The cipher is a stream of SHA-256 over key, nonce and counter, added to the base64 text; Terraform's language has no
other that it could also undo. It guards plans and logs; who can read the state can read both halves.
"""

from __future__ import annotations

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_SIZE = len(ALPHABET)
_ABOVE_FOUR_HEX_DIGITS = _SIZE * 1009  # keeps a difference positive


def seal(secret: str, key: str) -> dict[str, str]:
    """The secret at address *secret*, by the key at *key*, as `{"nonce", "text"}`: neither is a secret any more."""
    nonce = f'sha256("${{{key}}}${{{secret}}}")'
    text = _shifted(f"base64encode({secret})", key, nonce, "+")
    return {"nonce": f"${{nonsensitive({nonce})}}", "text": f"${{nonsensitive({text})}}"}


def unseal(sealed: str, key: str) -> str:
    """The secret again, from the addresses of both, such as `self.input.private_key` and `self.triggers_replace`."""
    return f"${{sensitive({_unsealed(sealed, key)})}}"


def unseal_unmarked(sealed: str, key: str) -> str:
    """The same for a program's environment, which Terraform does not print: of a marked one it would keep back what the program says."""
    return f"${{{_unsealed(sealed, key)}}}"


def _unsealed(sealed: str, key: str) -> str:
    return f"base64decode({_shifted(f'{sealed}.text', key, f'{sealed}.nonce', f'+ {_ABOVE_FOUR_HEX_DIGITS} -')})"


def _shifted(text: str, key: str, nonce: str, sign: str) -> str:
    """Each character moved along the alphabet by its four hex digits of the stream."""
    block = f'sha256("${{{key}}}${{{nonce}}}${{floor(i / 16)}}")'
    place = f'index(split("", "{ALPHABET}"), c) {sign} parseint(substr({block}, i % 16 * 4, 4), 16)'
    return f'join("", [for i, c in split("", {text}) : substr("{ALPHABET}", ({place}) % {_SIZE}, 1)])'
