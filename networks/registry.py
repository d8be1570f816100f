"""The networks by name. A new one is an entry here: settings, no code."""

from networks.cider.neck import FULL, LIGHT
from networks.delf import DelfNetwork, DelfSettings
from networks.pooling import PoolingSettings
from networks.retrieval_network import NetworkSettings, RetrievalNetwork

NETWORKS: dict[str, NetworkSettings] = {
    # Small enough for a CPU and for tests.
    "resnet18_gem": NetworkSettings(backbone="resnet18", dimensions=512),
    "resnet50_gem": NetworkSettings(backbone="resnet50"),
    # The recipe of Song et al. 2024, appendix A, without a head.
    "resnet101_gem": NetworkSettings(backbone="resnet101"),
    # Yokoo et al. 2020.
    "resnet101_gem_512": NetworkSettings(dimensions=512, projection_batch_norm=True),
    # Radenović et al. 2019, with whitening as a layer.
    "resnet101_gem_whiten": NetworkSettings(normalise_before_projection=True),
    # Razavian et al. 2016 and Babenko and Lempitsky 2015, for comparison.
    "resnet101_mac": NetworkSettings(pooling=PoolingSettings(kind="mac"), dimensions=None),
    "resnet101_spoc": NetworkSettings(pooling=PoolingSettings(kind="spoc"), dimensions=None),
    "vgg16_gem": NetworkSettings(backbone="vgg16", dimensions=512),
    # Song et al. 2024.
    "resnet101_cider": NetworkSettings(neck=FULL),
    "resnet101_cider_light": NetworkSettings(neck=LIGHT),
    "resnet18_cider": NetworkSettings(backbone="resnet18", neck=FULL, dimensions=512),
    # By name, from the optional transformers library.
    "dinov2_base_gem": NetworkSettings(
        backbone="transformers:facebook/dinov2-base", dimensions=768
    ),
    "convnext_base_gem": NetworkSettings(backbone="transformers:facebook/convnext-base-224-22k"),
}


def find_network(name: str) -> NetworkSettings:
    """The settings of a network of this file.

    Raises:
        ValueError: there is no network of that name.
    """
    if name not in NETWORKS:
        raise ValueError(f"no network {name!r}; there are {', '.join(NETWORKS)}")
    return NETWORKS[name]


def build_network(settings: NetworkSettings | DelfSettings) -> RetrievalNetwork | DelfNetwork:
    """Build a network, randomly initialised."""
    if isinstance(settings, DelfSettings):
        return DelfNetwork(settings)
    return RetrievalNetwork(settings)
