"""`croissant.json`: the export described in Croissant 1.1, by the library that validates it."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

import pyarrow as pa

from manifests.atomic import write_text
from manifests.exports.columns import EXPORTED, SplitName
from manifests.exports.hugging_face import ExportedRelease
from manifests.exports.identity import CITATIONS, LICENSE_URL, Identity
from manifests.input_error import InputError
from manifests.lineage import digest_file

CROISSANT_NAME: Final = "croissant.json"
CONFORMS_TO: Final = "http://mlcommons.org/croissant/1.1"
# The registered media type is another one, which mlcroissant 1.1 cannot read.
_PARQUET = "application/x-parquet"
_SPLITS, _SPLIT_NAME, _SPLIT_ROLE = "splits", "splits/name", "splits/url"
_ROLES = {
    SplitName.TRAIN: "cr:TrainingSplit",
    SplitName.VALIDATION: "cr:ValidationSplit",
    SplitName.REMOVED: "cr:Split",
}
"""Croissant has no word for what was removed: it is a split and no more."""


def load_mlcroissant() -> ModuleType:
    """The library.

    Raises:
        InputError: it is not installed.
    """
    try:
        import mlcroissant  # type: ignore[import-untyped,unused-ignore]
    except ModuleNotFoundError as error:
        raise InputError(
            f"the format croissant needs {error.name}, which is not installed; install the "
            "optional extra: pip install 'cleanmark[exports]', or leave croissant out of --format"
        ) from error
    return cast("ModuleType", mlcroissant)


def write_croissant(root: Path, exported: Sequence[ExportedRelease], identity: Identity) -> None:
    """Describe every file with its digest, every policy as a record set, and the splits.

    Raises:
        InputError: mlcroissant is not installed.
    """
    mlc = load_mlcroissant()
    ctx = mlc.Context(conforms_to=CONFORMS_TO)
    files = [_make_file(mlc, ctx, root, name) for release in exported for name in _files(release)]
    file_sets = [_make_file_set(mlc, ctx, release) for release in exported]
    record_sets = [_make_record_set(mlc, ctx, release) for release in exported]
    metadata = mlc.Metadata(
        ctx=ctx,
        name=identity.name,
        description=(
            "Lists of images of Google Landmarks v2, cleaned, without classes that show a "
            "landmark of an evaluation set; one record set for each policy of removal."
        ),
        url=identity.url,
        license=[LICENSE_URL],
        creators=[mlc.Organization(ctx=ctx, name=identity.creator, url=identity.url)],
        version=identity.version,
        cite_as=" ".join(CITATIONS),
        conforms_to=[CONFORMS_TO],
        distribution=[*files, *file_sets],
        record_sets=[_make_splits(mlc, ctx), *record_sets],
    )
    content = metadata.to_json()
    if identity.published is not None:
        # The library would write a time of day that nobody stated.
        content["datePublished"] = identity.published.isoformat()
    text = json.dumps(content, indent=2, ensure_ascii=False)
    write_text(root / CROISSANT_NAME, text + "\n")


def _files(exported: ExportedRelease) -> list[str]:
    return [file for split in exported.written_splits for file in split.files]


def _make_file(mlc: ModuleType, ctx: Any, root: Path, file: str) -> Any:  # noqa: ANN401
    return mlc.FileObject(
        ctx=ctx,
        id=file,
        name=file.removeprefix("data/").replace("/", "-"),
        content_url=file,
        content_size=f"{(root / file).stat().st_size} B",
        encoding_formats=[_PARQUET],
        sha256=digest_file(root / file),
    )


def _make_file_set(mlc: ModuleType, ctx: Any, exported: ExportedRelease) -> Any:  # noqa: ANN401
    return mlc.FileSet(
        ctx=ctx,
        id=_name_files(exported),
        name=_name_files(exported),
        includes=[f"data/{exported.policy}/*.parquet"],
        encoding_formats=[_PARQUET],
    )


def _name_files(exported: ExportedRelease) -> str:
    return f"{exported.policy}-files"


def _make_splits(mlc: ModuleType, ctx: Any) -> Any:  # noqa: ANN401
    return mlc.RecordSet(
        ctx=ctx,
        id=_SPLITS,
        name=_SPLITS,
        key=_SPLIT_NAME,
        data_types=["cr:Split"],
        fields=[
            mlc.Field(ctx=ctx, id=_SPLIT_NAME, name="name", data_types=[mlc.DataType.TEXT]),
            mlc.Field(ctx=ctx, id=_SPLIT_ROLE, name="url", data_types=[mlc.DataType.URL]),
        ],
        data=[{_SPLIT_NAME: name.value, _SPLIT_ROLE: role} for name, role in _ROLES.items()],
    )


def _make_record_set(mlc: ModuleType, ctx: Any, exported: ExportedRelease) -> Any:  # noqa: ANN401
    def make_field(name: str, dtype: pa.DataType, description: str) -> Any:  # noqa: ANN401
        is_split = name == "split"
        column = mlc.Extract(ctx=ctx, column=name)
        return mlc.Field(
            ctx=ctx,
            id=f"{exported.policy}/{name}",
            name=name,
            description=description,
            data_types=[mlc.DataType.INTEGER if pa.types.is_integer(dtype) else mlc.DataType.TEXT],
            source=mlc.Source(ctx=ctx, file_set=_name_files(exported), extract=column),
            **({"references": mlc.Source(ctx=ctx, field=_SPLIT_NAME)} if is_split else {}),
        )

    return mlc.RecordSet(
        ctx=ctx,
        id=exported.policy,
        name=exported.policy,
        description=f"Every image, kept or removed, under the policy {exported.policy}.",
        fields=[make_field(c.name, c.type, c.description) for c in EXPORTED.columns],
    )
