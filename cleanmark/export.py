"""A run or its manifests in the formats of other programs: what `cleanmark export` does."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from cleanmark.policy import Policy
from manifests.arrow_schemas import MANIFEST
from manifests.atomic import write_bytes
from manifests.certificates.carry import copy_certificate
from manifests.exports.attribution import AttributionCounts, write_attribution
from manifests.exports.checksums import is_export, write_checksums
from manifests.exports.croissant import load_mlcroissant, write_croissant
from manifests.exports.dataset_card import write_dataset_card
from manifests.exports.hugging_face import MAX_PART_ROWS, ExportedRelease, write_release
from manifests.exports.identity import Identity
from manifests.exports.lists import write_lists
from manifests.exports.metric_learning_table import write_metric_learning_table
from manifests.exports.policy_record import write_policy_record
from manifests.exports.releases import MANIFEST_NAME, Release
from manifests.exports.staging import staged_folder
from manifests.exports.webdataset_index import write_webdataset_index
from manifests.input_error import InputError
from pipelines.policy_manifests import check_emitted, write_policy_manifests
from pipelines.stages.emit import FOLDER

_RUN_FILE = "run.yaml"
_SOURCES = "made_from"


class Format(StrEnum):
    """A format besides the Parquet files, which every export has."""

    HUGGINGFACE = "huggingface"
    CROISSANT = "croissant"
    LISTS = "lists"
    OML = "oml"
    WEBDATASET = "webdataset"


@dataclass(frozen=True, eq=False)
class Export:
    """What was written.

    Attributes:
        releases: by policy, in the order asked for.
        attribution: of the kept images.
        formats: that were written.
        left_out: formats that were not, each with the reason.
        num_files: files, without the list of checksums.
    """

    releases: tuple[ExportedRelease, ...]
    attribution: AttributionCounts
    formats: tuple[Format, ...]
    left_out: dict[Format, str]
    num_files: int


def export(
    source: Path,
    to: Path,
    *,
    policies: Sequence[Policy] = (),
    formats: Sequence[Format] = (),
    identity: Identity | None = None,
    max_rows: int = MAX_PART_ROWS,
) -> Export:
    """Write a run, or a folder of manifests, into a new folder.

    The folder appears whole or not at all; an earlier export in it is replaced. The bytes depend
    on the manifests and the arguments alone.

    Args:
        source: a run, its folder of manifests, or the output of `cleanmark rgldv2`.
        to: folder to write.
        policies: of a run, any; of manifests, the one they were written with. None: all there are.
        formats: what to write besides Parquet. None: all that the manifests have enough for.
        identity: title, address and date.
        max_rows: of one Parquet file.

    Raises:
        InputError: manifests are missing or altered, a policy cannot be had, a library is
            missing, or `to` holds something else.
    """
    identity = identity or Identity()
    with TemporaryDirectory() as scratch:
        releases = open_releases(source, policies, Path(scratch))
        chosen, left_out = _choose_formats(releases[0], formats)
        if Format.CROISSANT in chosen:
            load_mlcroissant()  # Better refused now than after minutes.
        with staged_folder(to, is_export) as folder:
            exported = tuple(write_release(folder, release, max_rows) for release in releases)
            attribution = write_attribution(folder, releases, max_rows)
            write_policy_record(folder, exported)
            _copy_manifests(releases, folder)
            _write_formats(folder, chosen, exported, attribution, identity)
            num_files = len(write_checksums(folder))
    return Export(exported, attribution, chosen, left_out, num_files)


def open_releases(source: Path, policies: Sequence[Policy], scratch: Path) -> tuple[Release, ...]:
    """The splits to export: of a run under each policy, of manifests the one they hold.

    Args:
        source: a run or manifests.
        policies: in the order wanted; none for all there are.
        scratch: where the manifests of policies are written that a run was not emitted with.

    Raises:
        InputError: manifests are missing or altered, or a policy cannot be had from them.
    """
    if (source / _RUN_FILE).is_file():
        return _open_run(source, policies, scratch)
    if not (source / MANIFEST_NAME).is_file() and (source / FOLDER / MANIFEST_NAME).is_file():
        source = source / FOLDER
    release = Release.open(source)
    others = [str(policy) for policy in policies if policy != release.policy]
    if others:
        raise InputError(
            f"{source}: holds the policy {release.policy} only; {', '.join(others)} needs the "
            "candidates and decisions of a run: give the folder of the run"
        )
    return (release,)


def _open_run(run_dir: Path, policies: Sequence[Policy], scratch: Path) -> tuple[Release, ...]:
    own = Policy(check_emitted(run_dir).emit.policy)
    releases = []
    for policy in dict.fromkeys(policies or (own, *Policy)):
        folder = run_dir / FOLDER
        if policy is not own:
            folder = scratch / policy
            write_policy_manifests(run_dir, policy, folder)
        releases.append(Release.open(folder))
    return tuple(releases)


def _choose_formats(
    release: Release, asked: Sequence[Format]
) -> tuple[tuple[Format, ...], dict[Format, str]]:
    if asked:
        return tuple(dict.fromkeys(asked)), {}
    if release.table is MANIFEST:
        return tuple(Format), {}
    why = "lists alone do not say in which shards the images are"
    chosen = tuple(format_ for format_ in Format if format_ is not Format.WEBDATASET)
    return chosen, {Format.WEBDATASET: why}


def _copy_manifests(releases: Sequence[Release], folder: Path) -> None:
    """What vouches for the rows goes with them, byte for byte."""
    for release in releases:
        manifest, target = release.path / MANIFEST_NAME, folder / _SOURCES / release.policy
        write_bytes(target / MANIFEST_NAME, manifest.read_bytes())
        copy_certificate(manifest, target)


def _write_formats(
    folder: Path,
    formats: Sequence[Format],
    exported: Sequence[ExportedRelease],
    attribution: AttributionCounts,
    identity: Identity,
) -> None:
    writers = {
        Format.LISTS: write_lists,
        Format.OML: write_metric_learning_table,
        Format.WEBDATASET: write_webdataset_index,
    }
    for format_ in formats:
        if format_ is Format.HUGGINGFACE:
            write_dataset_card(folder, exported, attribution, identity)
        elif format_ is Format.CROISSANT:
            write_croissant(folder, exported, identity)
        else:
            for release in exported:
                writers[format_](release)
