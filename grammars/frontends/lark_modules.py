"""read_definitions: the text of a Lark grammar, and what it imports, to its rules and terminals by name.

Place in the walk: Lark syntax tree -> **definitions** -> Grammar. `%import` reads lark's own library, and files only
under an explicit root, from which no name leads out. As in lark, what is imported keeps to the names of its own file,
those under which it was imported aside: `%override` and `%extend` of such a name hold in the rules of that file too,
but not in terminals that it makes of it. The file's own `%ignore` does not come along. What is declared without a
definition is refused where it is used.
"""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Iterable
from dataclasses import field, replace
from functools import lru_cache
from pathlib import Path

import lark

from grammars.errors import GrammarError, InvalidGrammar, LimitExceeded, UnsupportedFeature
from grammars.frontends.lark_syntax import Tree, read_lark, span_of
from grammars.frontends.lark_terminals import Definition, subtrees, tokens
from grammars.record import record

__all__ = ["IGNORE", "Module", "read_definitions", "unsupported"]

IGNORE = "%ignore"
"""The name of what is ignored; no rule or terminal of Lark can have it."""

MAX_IMPORTS = 32

_LIBRARY = ("common", "unicode", "python", "lark")
# lark's definition, /".*?(?<!\\)(\\\\)*?"/, says by backtracking what this one says outright.
_WITHOUT_LOOKBEHIND = r'ESCAPED_STRING: /"(?:[^"\\\n]|\\.)*"/'


@record
class Module:
    """The definitions of one text, what it ignores, and from where each imported name comes.

    `folder` is where its own relative imports begin, None without a root. `names` hold for its rules, `fixed` for its
    terminals: names as they were when all of the text was read.
    """

    text: str
    folder: Path | None
    names: dict[str, Definition] = field(default_factory=dict)
    fixed: dict[str, Definition] = field(default_factory=dict)
    ignored: list[Definition] = field(default_factory=list)
    origins: dict[str, list[tuple[Module, str]]] = field(default_factory=dict)

    def define(self, name: str, definition: Definition) -> None:
        """Gives the name its definition, in the file that it was imported from too."""
        self.names[name] = definition
        for module, original in self.origins.get(name, ()):
            module.define(original, definition)


def read_definitions(text: str, *, import_root: Path | None = None, given: Iterable[str] = ()) -> Module:
    """All rules and terminals of a grammar and what it ignores; files are read only under the folder `import_root`.

    The names of `given` are those of rules that are no text; their definitions have the body `given`.

    Raises `InvalidGrammar` for a name that is defined twice, not at all, or not where it is imported from.

    >>> list(read_definitions('start: A\\nA: "a"').names)
    ['start', 'A']
    """
    root = None if import_root is None else import_root.resolve()
    module = Module(text, root)
    for name in given:
        module.names[name] = Definition(name, lark.Tree("given", []), text, module.names)
    return _fill(module, root, ())


def _read(text: str, root: Path | None, folder: Path | None, inside: tuple[Path | str, ...]) -> Module:
    return _fill(Module(text, folder), root, inside)


def _fill(module: Module, root: Path | None, inside: tuple[Path | str, ...]) -> Module:
    """Reads the text of a module."""
    text = module.text
    statements = subtrees(read_lark(text))
    imports = [statement for statement in statements if statement.data == "import"]
    loaded: dict[tuple[bool, tuple[str, ...]], Module] = {}
    for statement in imports:
        _import(statement, module, root, loaded, inside)
    for statement in statements:
        match statement.data:
            case "rule" | "term":
                definition = _definition(statement, module)
                if definition.name in module.names:
                    raise InvalidGrammar(f"{definition.name} is defined twice", span=span_of(text, statement))
                module.names[definition.name] = definition
            case "override" | "extend":
                _change(statement, module)
            case "ignore":
                module.ignored.append(Definition(IGNORE, subtrees(statement)[0], text, module.names))
            case "declare":
                for name in tokens(statement)[1:]:
                    module.names.setdefault(str(name), Definition(str(name), statement, text, module.names))
    module.fixed.update(module.names)
    for definition in [*module.names.values(), *module.ignored]:
        for part in (definition, *definition.others):
            if part.text is text:
                _check_params(part)
                _check_names(part)
    return module


def _definition(statement: Tree, module: Module) -> Definition:
    name = next(token for token in tokens(statement) if token.type in ("RULE", "TERMINAL"))
    parts = {str(part.data): part for part in subtrees(statement)}
    params = tuple(map(str, tokens(parts["params"]))) if "params" in parts else ()
    options = subtrees(parts["options"]) if "options" in parts else []
    scope = module.fixed if name.type == "TERMINAL" else module.names
    return Definition(str(name), parts["expansions"], module.text, scope, params, tuple(options))


def _change(statement: Tree, module: Module) -> None:
    """Applies `%override name: ...` or `%extend name: ...`."""
    (inner,) = subtrees(statement)
    definition = _definition(inner, module)
    name = definition.name
    if name not in module.names:
        near = difflib.get_close_matches(name, module.names, n=1)
        raise InvalidGrammar(
            f"%{statement.data} changes {name}, which nothing before it defines",
            span=span_of(module.text, statement),
            hint=f"did you mean {near[0]}?" if near else "import it first, or drop the directive",
        )
    if statement.data == "extend":
        before = module.names[name]
        if before.params != definition.params:
            raise InvalidGrammar(
                f"%extend gives {name} other parameters than it has", span=span_of(module.text, statement)
            )
        definition = replace(before, others=(*before.others, definition))
    module.define(name, definition)


def _import(
    statement: Tree, module: Module, root: Path | None, loaded: dict[tuple[bool, tuple[str, ...]], Module],
    inside: tuple[Path | str, ...],
) -> None:  # fmt: skip
    """What `%import a.b.NAME`, `%import .a.NAME -> OTHER` or `%import a (A, B)` adds to a module."""
    path, *what = subtrees(statement)
    names, listed = tokens(path), tokens(what[0]) if what else []
    several = bool(what) and what[0].data == "names"
    wanted = listed if several else names[-1:]
    places = tuple(map(str, names if several else names[:-1]))
    relative = bool(subtrees(path))
    if not places:
        raise InvalidGrammar(
            f"%import {names[0]} names no file", span=span_of(module.text, path), hint=f"%import common.{names[0]}"
        )
    key = relative, places
    if key not in loaded:
        loaded[key] = _load(path, places, relative, module, root, inside)
    for new, name in zip(listed or wanted, wanted, strict=True):
        source = loaded[key]
        if name not in source.names:
            near = difflib.get_close_matches(name, source.names, n=1)
            where = "lark's " + places[0] if _is_library(places, relative) else ".".join(places)
            raise InvalidGrammar(
                f"{where} defines no {name}",
                span=span_of(module.text, name),
                hint=f"did you mean {near[0]}?" if near else None,
            )
        if new.isupper() != name.isupper():
            kind = "terminal needs a name in upper" if name.isupper() else "rule needs a name in lower"
            raise InvalidGrammar(f"a {kind} case", span=span_of(module.text, new))
        if str(new) in module.names:
            raise InvalidGrammar(f"{new} is defined twice", span=span_of(module.text, statement))
        module.names[str(new)] = source.names[name]
        module.origins[str(new)] = [(source, str(name))]


def _load(
    path: Tree,
    places: tuple[str, ...],
    relative: bool,
    module: Module,
    root: Path | None,
    inside: tuple[Path | str, ...],
) -> Module:
    """The file of that name under the root, or in lark's library."""
    if len(inside) >= MAX_IMPORTS:
        raise LimitExceeded(f"more than {MAX_IMPORTS} files import one another", span=span_of(module.text, path))
    folder = module.folder if relative else root
    if folder is not None and root is not None:
        file = folder.joinpath(*places).with_suffix(".lark").resolve()
        if not file.is_relative_to(root):
            raise InvalidGrammar("this import leads out of import_root", span=span_of(module.text, path))
        if file in inside:
            raise InvalidGrammar("this file imports itself", span=span_of(module.text, path))
        if file.is_file():
            return _parsed(path, file, module, root, inside)
    if _is_library(places, relative):
        return _library(places[0])
    if root is None:
        hint = "write %import common.NAME, give import_root=Path(...) for files, or copy the definitions here"
        raise unsupported("an import from anything but lark's library", module.text, path, hint)
    raise InvalidGrammar(
        f"there is no {'/'.join(places)}.lark in import_root",
        span=span_of(module.text, path),
        hint="%import folder.file.NAME",
    )


def _parsed(path: Tree, file: Path, module: Module, root: Path, inside: tuple[Path | str, ...]) -> Module:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidGrammar(f"{file.name} cannot be read: {error}", span=span_of(module.text, path)) from None
    try:
        return _read(text, root, file.parent, (*inside, file))
    except GrammarError as error:
        error.message = f"in {file.relative_to(root).as_posix()}: {error.message}"
        raise


def _is_library(places: tuple[str, ...], relative: bool) -> bool:
    return not relative and len(places) == 1 and places[0] in _LIBRARY


def _library(name: str) -> Module:
    """A module of lark's, whose definitions each importer may change for itself."""
    read = _shipped(name)
    module = Module(read.text, None)
    for key, found in read.names.items():
        module.names[key] = replace(found, scope=module.fixed if key.isupper() else module.names)
    module.fixed.update(module.names)
    return module


@lru_cache(maxsize=4)
def _shipped(name: str) -> Module:
    data = pkgutil.get_data("lark", f"grammars/{name}.lark")
    assert data is not None
    module = _read(data.decode(), None, None, (name,))
    if name == "common":
        module.names.update(_read(_WITHOUT_LOOKBEHIND, None, None, (name,)).names)
        module.fixed.update(module.names)
    return module


def _check_params(definition: Definition) -> None:
    for i, param in enumerate(definition.params):
        span = span_of(definition.text, definition.body)
        if param in definition.params[:i]:
            raise InvalidGrammar(f"two parameters of {definition.name} have the name {param}", span=span)
        if param in definition.scope:
            raise InvalidGrammar(f"the parameter {param} of {definition.name} has the name of a rule", span=span)


def _check_names(definition: Definition) -> None:
    """Raises `InvalidGrammar` for the first name in a definition that nothing defines, or with other parameters."""
    pending = [definition.body] if definition.body.data != "declare" else []
    while pending:
        tree = pending.pop()
        pending += reversed(subtrees(tree))
        if tree.data not in ("terminal", "nonterminal", "template") or tree.children[0] in definition.params:
            continue
        name = str(tree.children[0])
        found = definition.scope.get(name)
        if found is None:
            kind = {"terminal": "terminal", "nonterminal": "rule", "template": "template"}[tree.data]
            near = difflib.get_close_matches(name, [*definition.scope, *definition.params], n=1)
            common = _shipped("common").names if tree.data == "terminal" else {}
            raise InvalidGrammar(
                f"the {kind} {name} is not defined",
                span=span_of(definition.text, tree),
                hint=f"did you mean {near[0]}?"
                if near
                else f"%import common.{name} gets it"
                if name in common
                else None,
            )
        given = len(subtrees(tree)) if tree.data == "template" else 0
        if given != len(found.params):
            raise InvalidGrammar(
                f"{name} takes {len(found.params)} arguments, not {given}",
                span=span_of(definition.text, tree),
                hint=f"its parameters are {', '.join(found.params)}" if found.params else f"write {name}",
            )


def unsupported(what: str, text: str, part: Tree | lark.Token, hint: str | None = None) -> UnsupportedFeature:
    return UnsupportedFeature(f"{what} is not supported in a Lark grammar", span=span_of(text, part), hint=hint)
