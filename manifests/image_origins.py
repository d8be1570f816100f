"""Where images came from and whose they are, from GLDv2's lists of addresses and of rights."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from manifests.gldv2_csv import read_attribution_csv, read_train_csv
from manifests.gldv2_metadata import SortedTable, parse_ids

_ADDRESS = ("source_url",)
_RIGHTS = ("author", "license", "title")


@dataclass(frozen=True, eq=False)
class ImageOrigins:
    """Address, author, licence and title by image id; each list may be missing."""

    addresses: SortedTable | None
    rights: SortedTable | None

    @classmethod
    def read(cls, train_csv: Path | None, attribution_csv: Path | None) -> "ImageOrigins":
        """Read the lists that there are.

        Raises:
            manifests.gldv2_csv.Gldv2CsvError: a file is missing or has a row that cannot be right.
        """
        addresses = rights = None
        if train_csv is not None:
            columns = read_train_csv(train_csv).drop_columns("landmark_id")
            addresses = SortedTable.build(columns.rename_columns({"url": "source_url"}))
        if attribution_csv is not None:
            rights = SortedTable.build(read_attribution_csv(attribution_csv))
        return cls(addresses, rights)

    def look_up(self, image_ids: pa.ChunkedArray) -> dict[str, pa.Array | pa.ChunkedArray]:
        """Columns source_url, author, license, title for n ids; null where no list says."""
        return _take(self.addresses, _ADDRESS, image_ids) | _take(self.rights, _RIGHTS, image_ids)


def _take(
    table: SortedTable | None, names: tuple[str, ...], image_ids: pa.ChunkedArray
) -> dict[str, pa.Array | pa.ChunkedArray]:
    if table is None:
        return {name: pa.nulls(len(image_ids), pa.string()) for name in names}
    rows = table.columns.take(table.find(*parse_ids(image_ids)))
    return {name: rows[name] for name in names}
