"""Importing this module loads all that workers need, for the process that they are forked from.

A worker that imports the libraries and the stages itself takes most of a second to start.
"""

from importlib import import_module

from pipelines.importing import keep_blas_to_one_thread, uncollected

MODULES = (
    "cv2",
    "faiss",
    "pandas",
    "pyarrow.parquet",
    "curation.preload",
    "pipelines.job",
)

keep_blas_to_one_thread()
with uncollected():
    for _name in MODULES:
        import_module(_name)
