import pytest
from drawn_places import describe, draw_place, view_aslant

torch = pytest.importorskip("torch")

from curation.batched_verification import verify_in_batches  # noqa: E402
from curation.verification import verify_one_to_many  # noqa: E402
from pipelines.device_matching import DeviceError, open_finder  # noqa: E402
from pipelines.pair_verification import evidence, verify_many  # noqa: E402
from pipelines.settings import VerifySettings  # noqa: E402

HAS_GPU = torch.cuda.is_available()
DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not HAS_GPU, reason="needs a GPU")]
    ),
]


@pytest.fixture(scope="module")
def images():
    place = draw_place(1)
    return [describe(p) for p in (place, view_aslant(place), draw_place(2), draw_place(3))]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mode", ["reject_early", "exact"])
def test_torch_gives_the_evidence_of_the_kernels(images, device, mode):
    settings = VerifySettings.model_validate({"cascade": {"mode": mode}})
    for query in images:
        alone = map(evidence, verify_one_to_many(query, images, settings))
        batched = verify_in_batches(query, images, settings, open_finder(device))
        assert list(map(evidence, batched)) == list(alone)


@pytest.mark.skipif(HAS_GPU, reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_named_with_the_remedy(images):
    with pytest.raises(DeviceError, match=r"set verify\.device to cpu"):
        list(verify_many(images[0], images[1:], VerifySettings(device="cuda")))


def test_the_device_decides_no_result():
    cpu, cuda = VerifySettings(), VerifySettings(device="cuda")
    assert cpu.dump_decisive() == cuda.dump_decisive()
    assert cpu.dump_decisive_of_pair() == cuda.dump_decisive_of_pair()
