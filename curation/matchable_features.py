"""Features of an image with what matching derives from them, derived once, and only if asked."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from curation.kernels.compilation import freeze
from curation.kernels.descriptor_packing import check_values, measure
from curation.kernels.packed_columns import MeasuredDescriptors, PackedColumns
from curation.kernels.portable_search import PortableColumns
from curation.kernels.processor import DotProductKernel, available_kernels
from curation.sketches import SKETCH_BYTES, are_short, sketch_descriptors
from manifests.features import DESCRIPTOR_BYTES, LocalFeatures

Descriptors = NDArray[np.uint8]
Range = tuple[int, int]
"""The first, and the one behind the last."""

_MEASURES_BYTES = 8
"""Of a descriptor, its squared length and its sum."""
_CODE_BYTES = 4
_OBJECTS_BYTES = 4096
"""Of an image, objects and small arrays."""


class SearchableDescriptors:
    """Descriptors to search with and to be searched.

    Args:
        measured: all of them, ready to search with.
        kernel: the instructions to search with; by default the best of this processor.
    """

    def __init__(self, measured: MeasuredDescriptors, kernel: DotProductKernel | None) -> None:
        self.measured = measured
        self._kernel = kernel
        self._columns: dict[Range, PackedColumns | PortableColumns] = {}

    def index_between(self, first: int, end: int) -> PackedColumns | PortableColumns:
        """Those from `first` to before `end`, ready to be searched."""
        columns = self._columns.get((first, end))
        if columns is None:
            # What an early answer never asks for is never derived.
            columns = index_descriptors(self.measured.take(first, end), self._kernel)
            self._columns[first, end] = columns
        return columns

    @property
    def num_bytes(self) -> int:
        """Memory of what was derived from the descriptors, about."""
        num_columns = sum(map(len, self._columns.values()))
        width: int = self.measured.values.shape[1]
        return len(self.measured) * _MEASURES_BYTES + num_columns * (width + _CODE_BYTES)


class MatchableFeatures:
    """Features with what matching derives from them, derived once for any number of partners.

    It takes up to 1.9 times the memory of the descriptors: 242 kB for 1,000 features. It is for one
    thread at a time: compiled code reads at addresses in what another would derive anew.

    Args:
        features: the features of an image.
        kernel: the instructions to search with; by default the best of this processor.

    Attributes:
        features: the same.
        geometry_codes: their geometry as stored.
        shape: their number, and the width and height of the image.

    Raises:
        ValueError: there are not as many key points as descriptors.
    """

    def __init__(self, features: LocalFeatures, kernel: DotProductKernel | None = None) -> None:
        self.features = features
        self._kernel = kernel
        self.geometry_codes = features.geometry_codes
        self._count = len(features)
        if len(self.geometry_codes) != self._count:
            raise ValueError(
                f"an image has {self._count} descriptors but {len(self.geometry_codes)} key points"
            )
        self.shape = self._count, features.width, features.height
        self._column_addresses: dict[Range, bytes] = {}

    def __len__(self) -> int:
        return self._count

    @property
    def num_bytes(self) -> int:
        """Memory that this takes beside the features, about; it grows with what is asked for."""
        total = _OBJECTS_BYTES
        derived = vars(self)
        if "_sketches" in derived:
            total += len(self) * SKETCH_BYTES + self._sketches.searchable.num_bytes
        if "descriptors" in derived:
            total += self.descriptors.num_bytes
        return total

    @cached_property
    def descriptors(self) -> SearchableDescriptors:
        """The whole descriptors.

        Raises:
            ValueError: a value is above 127.
        """
        return SearchableDescriptors(MeasuredDescriptors.of(self._stored), self._kernel)

    def get_sketches(self, count: int) -> SearchableDescriptors:
        """The sketches, of which only the `count` strongest need be there.

        Raises:
            ValueError: a value is above 127.
        """
        self._sketches.extend_to(count)
        return self._sketches.searchable

    def address_sketches(self, count: int) -> bytes:
        """Where sketches and geometry lie, as `IMAGE_FIELDS` says, int64; good while this lives.

        Of the sketches, only the `count` strongest need be there.

        Raises:
            ValueError: a value is above 127.
        """
        self.get_sketches(count)
        return self._sketch_addresses

    def address_columns(self, first: int, end: int) -> bytes:
        """Where sketches lie that are ready to be searched, as `COLUMNS_FIELDS` says, likewise.

        Returns:
            Nothing where no kernel can search them.
        """
        addresses = self._column_addresses.get((first, end))
        if addresses is None:
            columns = self.get_sketches(end).index_between(first, end)
            if isinstance(columns, PortableColumns):
                return b""
            addresses = self._column_addresses[first, end] = columns.list_addresses()
        return addresses

    @cached_property
    def _sketch_addresses(self) -> bytes:
        measured = self._sketches.searchable.measured
        arrays = measured.values, measured.squared_norms, measured.sums, self.geometry_codes
        addresses = [array.ctypes.data for array in arrays]
        return np.array([*addresses, len(self), self.features.long_side], np.int64).tobytes()

    @cached_property
    def _sketches(self) -> "_Sketches":
        return _Sketches(self._stored, self._kernel)

    @property
    def _stored(self) -> Descriptors:
        return pad_descriptors(self.features.descriptors)


class _Sketches:
    """Sketches that are made as far as they are asked for, strongest first, and never move."""

    def __init__(self, descriptors: Descriptors, kernel: DotProductKernel | None) -> None:
        self._descriptors = descriptors
        self._are_short = are_short(descriptors)
        self._values = np.empty((len(descriptors), SKETCH_BYTES), np.uint8)
        self._squared_norms = np.empty(len(descriptors), np.int32)
        self._sums = np.empty(len(descriptors), np.int32)
        self._num_made = 0
        self.searchable = SearchableDescriptors(
            MeasuredDescriptors(freeze(self._values), self._squared_norms, self._sums), kernel
        )

    def extend_to(self, count: int) -> None:
        """Make those of the `count` strongest."""
        if count <= self._num_made:
            return
        new = slice(self._num_made, count)
        # Sketches have seven bits whatever they are made of.
        check_values(self._descriptors[new])
        self._values[new] = sketch_descriptors(self._descriptors[new], are_short=self._are_short)
        self._squared_norms[new], self._sums[new] = measure(self._values[new])
        self._num_made = count


def index_descriptors(
    descriptors: MeasuredDescriptors, kernel: DotProductKernel | None = None
) -> PackedColumns | PortableColumns:
    """Prepare descriptors to be searched.

    Args:
        descriptors: m of them.
        kernel: the instructions to use; by default the best of this processor.
    """
    for candidate in available_kernels() if kernel is None else (kernel,):
        if PackedColumns.can_pack(candidate, len(descriptors)):
            return PackedColumns(descriptors, candidate)
    return PortableColumns(descriptors)


def pad_descriptors(descriptors: Descriptors) -> Descriptors:
    """Contiguous (n, 128): zeros at the end change no distance.

    Raises:
        ValueError: they are longer, or no bytes.
    """
    missing = DESCRIPTOR_BYTES - descriptors.shape[1]
    if missing < 0 or descriptors.dtype != np.uint8:
        raise ValueError(
            f"descriptors are {descriptors.dtype} of {descriptors.shape[1]} dimensions: reduce "
            f"them to uint8 of at most {DESCRIPTOR_BYTES} before matching"
        )
    if missing > 0:
        return np.pad(descriptors, ((0, 0), (0, missing)))
    return np.ascontiguousarray(descriptors)
