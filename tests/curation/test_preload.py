import subprocess
import sys

SCRIPT = """
import curation.preload
from curation.kernels.affine_search import search_affine
from curation.kernels.neighbour_search import match_packed, select_matches
from curation.kernels.processor import available_kernels
from curation.kernels.look_at_pairs import look_at_pairs
functions = (look_at_pairs, match_packed) if available_kernels() else (select_matches,)
assert all(len(function.signatures) == 1 for function in (search_affine, *functions))
"""


def test_importing_the_module_compiles_every_entry_for_one_kind_of_array():
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
