import llvmlite.binding as llvm
import pytest

from curation.kernels.processor import (
    AVX2,
    AVX512_VNNI,
    AVX_VNNI,
    DOT_PRODUCT_KERNELS,
    available_kernels,
    kernels_for,
)


@pytest.mark.parametrize(
    ("features", "kernels"),
    [
        ((), ()),
        (("neon",), ()),
        (("avx2",), (AVX2,)),
        (("avx2", "avxvnni"), (AVX_VNNI, AVX2)),
        (("avx2", "avx512f", "avx512bw", "avx512vl"), (AVX2,)),
        (("avx2", "avx512bw", "avx512vl", "avx512vnni"), (AVX512_VNNI, AVX_VNNI, AVX2)),
    ],
)
def test_kernels_follow_from_the_processor_features(features, kernels):
    assert kernels_for(dict.fromkeys(features, True)) == kernels


def test_a_feature_that_is_listed_as_missing_does_not_count():
    assert kernels_for({"avx2": False}) == ()


def test_the_features_asked_for_are_names_that_llvm_knows_on_this_architecture():
    known = set(llvm.get_host_cpu_features())
    if "avx2" not in known:
        pytest.skip("not an x86 processor")
    asked = {name for k in DOT_PRODUCT_KERNELS for group in k.needed_features for name in group}
    assert asked <= known
    assert set(available_kernels()) <= set(DOT_PRODUCT_KERNELS)
