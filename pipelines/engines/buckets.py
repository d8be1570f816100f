"""Names of folders in buckets, and where they are mounted."""

from pathlib import Path

BUCKET_SCHEME = "gs://"


def mounted(name: str, mount_root: Path) -> Path:
    """The path of a folder that is given as a path or as `gs://BUCKET/PATH`.

    A bucket is used through a file system: stages map files, rename them, and write a note that
    must be outside the process when it crashes.
    """
    # A command line that takes paths has already made one slash of two.
    for scheme in (BUCKET_SCHEME, BUCKET_SCHEME[:-1]):
        if name.startswith(scheme):
            return mount_root / name.removeprefix(scheme)
    return Path(name)
