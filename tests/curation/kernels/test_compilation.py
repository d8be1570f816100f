import ast
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from curation import kernels
from curation.kernels.compilation import compile_on_first_call, compile_with, freeze


def test_a_function_without_a_place_for_its_cache_is_compiled_all_the_same():
    """As on a read-only installation: numba finds no folder for a function of no file."""
    namespace = {}
    exec(compile("def halve(x):\n    return x / 2\n", "<nowhere>", "exec"), namespace)
    assert compile_on_first_call(namespace["halve"])(3.0) == 1.5


CALLED = """
from curation.kernels.compilation import compile_on_first_call

@compile_on_first_call
def inner(x):
    return x + {added}
"""
CALLER = """
import called
from called import inner
from curation.kernels.compilation import compile_with

@compile_with(called)
def outer(x):
    return inner(x)

print(outer(1), sum(outer.stats.cache_hits.values()))
"""


def test_a_change_of_another_file_is_noticed(tmp_path):
    def run(added):
        (tmp_path / "called.py").write_text(CALLED.format(added=added))
        # Numba stamps a file by its time and size, and so the caller as well.
        for name in ("called.py", "caller.py"):
            os.utime(tmp_path / name, (0, 0))
        command = [sys.executable, "-B", str(tmp_path / "caller.py")]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
        ran = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.split()

    (tmp_path / "caller.py").write_text(CALLER)
    assert run(1) == ["2", "0"]
    assert run(1) == ["2", "1"]
    assert run(10)[0] == "11"


FILES = {path.stem: path for path in Path(kernels.__path__[0]).glob("*.py")}
FILES["sketches"] = Path(kernels.__path__[0]).parent / "sketches.py"


@cache
def read_module(module):
    """What a file imports from the others, and what it defines itself, by name."""
    imported, defined = {}, {}
    for node in ast.parse(FILES[module].read_text()).body:
        if isinstance(node, ast.ImportFrom):
            imported |= {alias.name: node.module.split(".")[-1] for alias in node.names}
        elif isinstance(node, ast.FunctionDef):
            defined[node.name] = node
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            defined |= dict.fromkeys(list_names(targets), node)
    return imported, defined


def list_names(nodes):
    """Of values and functions; types in annotations decide nothing."""
    for child in (child for node in nodes for child in ast.walk(node)):
        if isinstance(child, ast.arg | ast.AnnAssign):
            child.annotation = None
        elif isinstance(child, ast.FunctionDef):
            child.returns = None
    return {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name)}


def list_files(module, name, seen):
    """The files whose texts decide what something that a file defines means."""
    imported, defined = read_module(module)
    if (module, name) in seen or name not in defined:
        return {module}
    seen.add((module, name))
    node = defined[name]
    files = {module}
    for used in list_names(node.body if isinstance(node, ast.FunctionDef) else [node.value]):
        if used in defined:
            files |= list_files(module, used, seen)
        elif imported.get(used) in FILES:
            files |= list_files(imported[used], used, seen)
    return files


def list_compiled():
    for module in FILES:
        for name, node in read_module(module)[1].items():
            for decorator in getattr(node, "decorator_list", []):
                names = list_names([decorator])
                if names & {"compile_on_first_call", "compile_with"}:
                    yield pytest.param(module, name, names, id=f"{module}-{name}")


@pytest.mark.parametrize(("module", "name", "named"), list(list_compiled()))
def test_all_files_that_a_compiled_function_is_made_of_are_named(module, name, named):
    """Else code compiled before a change of theirs would go on being loaded."""
    assert list_files(module, name, set()) - {module} <= named


def test_a_function_of_several_files_without_a_place_for_its_cache_is_compiled_all_the_same():
    namespace = {}
    exec(compile("def halve(x):\n    return x / 2\n", "<nowhere>", "exec"), namespace)
    assert compile_with(np)(namespace["halve"])(3.0) == 1.5


def test_division_by_zero_follows_ieee():
    namespace = {}
    exec(compile("def invert(x):\n    return 1.0 / x\n", "<nowhere>", "exec"), namespace)
    assert compile_on_first_call(namespace["invert"])(0.0) == np.inf


def test_a_frozen_view_shares_the_data_and_cannot_be_written():
    array = np.arange(3)
    view = freeze(array)
    assert np.shares_memory(array, view)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    array[0] = 7
    assert view[0] == 7
