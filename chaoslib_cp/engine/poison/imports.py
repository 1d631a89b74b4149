"""Imports of files: what CoreDNS puts in their place, where the files beside a Corefile are known.

Distributions leave room for their owner's own lines so: k3s and AKS import every file of a folder whose name ends in
``.override`` into the block that answers for the cluster, and those in ``.server`` behind it. A pattern that no file
matches brings in nothing.

Source: github.com/coredns/caddy, ``caddyfile/parse.go``: files in the order of their names, paths relative to the file
that imports, one wildcard at most, and that a pattern without a match is only warned of.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final

from chaoslib_cp.engine.poison.corefile import IMPORT, Corefile, Directive
from chaoslib_cp.engine.poison.parser import parse_corefile
from chaoslib_cp.engine.poison.tokens import read_tokens, shown
from chaoslib_cp.errors import ProfileInvalid

_WILD: Final = "*?"
_NOT_FOLLOWED: Final = ("[", "]", "{$", "{%", "\\")
"""In a pattern: sets, which CoreDNS refuses, variables, which the text does not tell, and escapes."""


@dataclass(frozen=True)
class Beside:
    """The files that a Corefile may import.

    Attributes:
        folder: Where the Corefile itself is, as an absolute path.
        known: Folders of which every file is in ``files``.
        files: The text of each, by its path.
    """

    folder: str = "/"
    known: frozenset[str] = frozenset()
    files: Mapping[str, str] = field(default_factory=dict)

    def matches(self, pattern: str) -> tuple[str, ...] | None:
        """Paths of the files that an import brings in, in its order; None where nobody can tell."""
        path = PurePosixPath(self.folder) / pattern
        folder, name = str(path.parent), path.name
        is_wild = any(one in name for one in _WILD)
        is_unclear = any(one in pattern for one in _NOT_FOLLOWED) or any(one in folder for one in _WILD)
        if is_unclear or folder not in self.known or sum(name.count(one) > 1 for one in _WILD):
            return None
        found = sorted(
            one for one in self.files if fnmatchcase(one, str(path)) and str(PurePosixPath(one).parent) == folder
        )
        return tuple(found) if found or is_wild else None


NOTHING_BESIDE: Final = Beside()
"""Where nobody knows what is beside a Corefile."""


def imported_folders(text: str, folder: str) -> frozenset[str]:
    """The folders from which a Corefile imports files.

    Args:
        text: The Corefile.
        folder: Where it is.

    Raises:
        ProfileInvalid: It cannot be read.
    """
    patterns = (one.arguments[0] for one in _file_imports(parse_corefile(text)))
    return frozenset(str((PurePosixPath(folder) / pattern).parent) for pattern in patterns)


def everything(_names: Collection[str]) -> bool:
    """Every import of a file is put in, whatever it brings."""
    return True


def with_imports(
    text: str,
    beside: Beside,
    is_put_in: Callable[[Collection[str]], bool] = everything,
    outside_of_blocks: bool = True,
) -> str:
    """The Corefile with the files that it imports in the place of the imports.

    Args:
        text: The Corefile.
        beside: What it may import.
        is_put_in: Given the plugins that an import brings into a block, says whether they take its place.
        outside_of_blocks: Whether imports of whole server blocks are put in, too.

    Returns:
        The new text; an import of which nobody can tell what it brings is still in it.

    Raises:
        ProfileInvalid: It or a file cannot be read, or a file imports something itself; nothing was changed.
    """
    corefile = parse_corefile(text)
    blocks = frozenset(one.span.start for one in corefile.imports)
    for directive in sorted(_file_imports(corefile), key=lambda one: one.span, reverse=True):
        paths = beside.matches(directive.arguments[0])
        if paths is None:
            continue
        is_outside = directive.span.start in blocks
        plugins = [_plugins(path, beside.files[path], is_outside) for path in paths]
        if outside_of_blocks if is_outside else is_put_in(frozenset().union(*plugins)):
            brought = "\n".join(beside.files[path] for path in paths)
            text = f"{text[: directive.span.start]}\n{brought}\n{text[directive.span.end :]}"
    return text


def _file_imports(corefile: Corefile) -> Iterator[Directive]:
    """The imports that are not of a snippet, wherever they stand."""
    snippets = {one.name for one in corefile.snippets}
    inside = (
        one
        for directives in [part.directives for part in corefile.blocks]
        + [part.directives for part in corefile.snippets]
        for one in _imports(directives)
    )
    return (one for one in (*corefile.imports, *inside) if one.arguments[0] not in snippets)


def _imports(directives: Iterable[Directive]) -> Iterator[Directive]:
    for directive in directives:
        if directive.name == IMPORT:
            yield directive
        yield from _imports(directive.body)


def _plugins(path: str, text: str, is_outside: bool) -> frozenset[str]:
    """The plugins that a file brings into a block; none where it brings whole server blocks.

    Raises:
        ProfileInvalid: It is not made of such lines, or imports something itself: that would be looked for beside it.
    """
    try:
        words = {token.text for token in read_tokens(text)}
        blocks = parse_corefile(text if is_outside else f". {{\n{text}\n}}\n").blocks
    except ProfileInvalid as error:
        raise _unfit(path, "cannot be read", "repair that file, or take it out") from error
    if IMPORT in words:
        raise _unfit(path, "imports something itself, and that is not followed", "write its lines there")
    if is_outside:
        return frozenset()
    if len(blocks) != 1:
        raise _unfit(path, "ends the server block that imports it", "repair that file, or take it out")
    return frozenset(one.name for one in blocks[0].directives)


def _unfit(path: str, what: str, do: str) -> ProfileInvalid:
    return ProfileInvalid(f"{shown(path)}, which the Corefile imports, {what}; nothing was changed; {do}")
