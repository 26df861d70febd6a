"""What `gcd` exports: the lazy names, their stubs for type checkers, and nothing that is not there."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gcd


def test_every_exported_name_is_there():
    assert list(gcd.__all__) == sorted(gcd.__all__)
    for name in gcd.__all__:
        assert getattr(gcd, name) is not None
        assert name in dir(gcd)


def test_the_type_checkers_names_are_the_exported_ones():
    tree = ast.parse(Path(gcd.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    lazy = {alias.asname or alias.name: node.module for node in block.body for alias in node.names}
    assert lazy == {**gcd._LAZY, "diffusion": "gcd", "errors": "gcd"}
    eager = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(gcd.__all__) == set(lazy) | (eager & set(gcd.__all__))


def test_the_names_of_diffusion_are_there():
    from gcd import diffusion

    assert list(diffusion.__all__) == sorted([*diffusion._LAZY, "policies"])
    for name in diffusion.__all__:
        assert getattr(diffusion, name).__name__.endswith(name)
        assert f"`{name}`" in diffusion.__doc__
    with pytest.raises(AttributeError) as caught:
        _ = diffusion.no_such_name
    assert str(caught.value) == "module 'gcd.diffusion' has no attribute 'no_such_name'"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError) as caught:
        _ = gcd.no_such_name
    assert str(caught.value) == "module 'gcd' has no attribute 'no_such_name'"


def test_functions_stay_functions_whatever_is_imported():
    code = (
        "import importlib, gcd.generate, gcd.compile; import gcd; importlib.import_module('gcd.generate');"
        "assert callable(gcd.generate) and callable(gcd.compile)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_error_is_in_the_tree_of_the_docstring():
    from gcd import errors

    for name in errors.__all__:
        if name != "Span":
            assert issubclass(getattr(errors, name), ValueError)
            assert f" {name} " in errors.__doc__.replace("\n", " \n")


def test_check_says_what_becomes_of_each_keyword():
    report = gcd.check(schema={"type": "string", "title": "T"})
    assert (report.kind, report.ok, report.error) == ("schema", True, None)
    assert {use.keyword: use.status for use in report.keywords.uses} == {"type": "enforced", "title": "annotation"}


def test_check_reports_errors_and_does_not_raise_them():
    report = gcd.check(regex="a(")
    assert (report.kind, report.ok, report.keywords) == ("regex", False, None)
    assert isinstance(report.error, gcd.errors.InvalidGrammar)
    assert not gcd.check(schema={"const": 1, "type": "string"}).ok
    assert gcd.check(choices=["a"]).ok
    report = gcd.check(schema=dict[str, list[complex]])
    assert (report.kind, str(report.error)) == (
        "schema",
        "dict[str, list[complex]][][]: complex is not supported\nUse a pair of floats.",
    )
    with pytest.raises(gcd.errors.InvalidGrammar, match=r"^schema= takes a dict, a bool, JSON text"):
        gcd.check(schema=3)
