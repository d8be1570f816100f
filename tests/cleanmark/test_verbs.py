import os
import subprocess
import sys
from pathlib import Path

import pytest

from cleanmark import verbs
from cleanmark.cli import VERBS, load_verb


@pytest.mark.parametrize("name", VERBS)
def test_the_summary_of_a_verb_is_what_the_verb_says_of_itself(name):
    assert load_verb(name).help.splitlines()[0].startswith(VERBS[name].removesuffix("."))


def test_every_verb_is_listed():
    modules = {path.stem for path in Path(verbs.__file__).parent.glob("*.py")}
    assert modules - {"__init__", "arguments", "failures", "outcome"} == set(VERBS)


def test_help_loads_no_library_of_any_verb():
    code = (
        "import sys; from typer.testing import CliRunner; from cleanmark.cli import app; "
        "result = CliRunner().invoke(app, ['--help']); assert result.exit_code == 0; "
        "print({'cv2', 'pyarrow', 'torch', 'apache_beam'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


@pytest.mark.parametrize(("name", "num_threads"), [("run", "1"), ("rgldv2", "as many as cores")])
def test_verbs_that_do_units_keep_linear_algebra_to_one_thread(name, num_threads):
    code = (
        f"from cleanmark.cli import load_verb; load_verb({name!r}); "
        "import os; print(os.environ.get('OPENBLAS_NUM_THREADS', 'as many as cores'))"
    )
    environment = os.environ.copy()
    environment.pop("OPENBLAS_NUM_THREADS", None)
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == num_threads


@pytest.mark.parametrize(
    ("verb", "library", "extra"),
    [
        ("review", "fastapi", "review"),
        ("train", "torch", "train"),
        ("evaluate", "torch", "train"),
        ("whiten", "torch", "train"),
    ],
)
def test_a_verb_without_its_libraries_names_the_extra(verb, library, extra):
    code = f"import sys; sys.modules[{library!r}] = None; from cleanmark.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, verb, "x"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"cleanmark: {verb} needs {library}, which is not installed; "
        f"install the optional extra: pip install 'cleanmark[{extra}]'\n"
    )
