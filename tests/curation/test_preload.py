import subprocess
import sys

SCRIPT = """
import curation.preload
from curation.kernels.affine_search import search_affine
from curation.kernels.match_selection import select_mutual, select_places
functions = (search_affine, select_mutual, select_places)
assert all(len(function.signatures) == 1 for function in functions)
"""


def test_importing_the_module_compiles_every_entry_for_one_kind_of_array():
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
