import numpy as np
import pytest
from drawn_images import encode
from gldv2_layout import write_classes
from PIL import Image
from stage_runs import Run, read_outputs
from tiny_run import draw_view, encode_jpeg

from manifests.feature_store import FeatureStore
from pipelines.embedders import CODEBOOK, open_vlad
from pipelines.run_config import RunConfig
from pipelines.run_folder import table_parts
from pipelines.run_tables import DescriptorStore, matrix_path
from pipelines.stages.embed import _StoredImage


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """Eight views of two walls and an even picture among them, embedded."""
    folder = tmp_path_factory.mktemp("embed")
    even = encode(Image.new("RGB", (200, 150), "grey"), "PNG")
    views = [[encode_jpeg(draw_view(wall, view)) for view in range(4)] for wall in (1, 2)]
    write_classes(folder / "gldv2", {7: [*views[0], even], 8: views[1]}, "images_000")
    content = {
        "source": {"root": folder / "gldv2"},
        "describe": {"long_side_px": 420, "max_features": 300},
        "embed": {"num_words": 4, "dimensions": 6, "num_training_images": 7},
    }
    run = Run(RunConfig.model_validate(content), folder / "run")
    run.finish("embed")
    return run


def test_an_image_without_features_has_a_null_and_a_row_that_nobody_can_use(described):
    rows = described.rows("embeddings")
    (number,) = [n for n, row in enumerate(rows) if row["descriptor"] is None]
    assert rows[number]["status"] == "no_features"
    (part,) = table_parts(described.run_dir, "embed")
    assert np.isnan(np.load(matrix_path(part))[number]).all()
    assert not DescriptorStore([part]).has(rows[number]["image_id"])


def test_table_and_matrix_hold_the_same_unit_vectors(described):
    rows = [row for row in described.rows("embeddings") if row["status"] == "ok"]
    assert len(rows) == 8
    loaded = DescriptorStore(table_parts(described.run_dir, "embed")).load(
        [row["image_id"] for row in rows]
    )
    assert np.array_equal(loaded, np.array([row["descriptor"] for row in rows], np.float32))
    assert np.allclose(np.linalg.norm(loaded, axis=1), 1, atol=2e-3)


def test_views_of_one_wall_are_nearer_than_those_of_another(described):
    rows = [row for row in described.rows("embeddings") if row["status"] == "ok"]
    vectors = np.array([row["descriptor"] for row in rows], np.float32)
    similarity = vectors @ vectors.T
    assert similarity[:4, :4].min() > similarity[:4, 4:].max()


def test_the_stored_descriptor_is_what_the_embedder_says_of_the_image_alone(described):
    store = FeatureStore(table_parts(described.run_dir, "describe"))
    row = described.rows("embeddings")[2]
    alone = open_vlad(described.run_dir).describe(store.load(row["image_id"]))
    assert np.array_equal(alone.astype(np.float16), np.array(row["descriptor"], np.float16))


def test_the_codebook_is_learned_from_no_more_images_than_asked_for(described):
    (described.run_dir / CODEBOOK).unlink()
    assert described.do("embed.codebook")["codebook"].counts["training_images"] == 7


def test_everything_is_done_again_to_the_same_bytes(described):
    before = read_outputs(described.run_dir)
    for path in (described.run_dir / "state").glob("embed*/*.json"):
        path.unlink()
    done = described.finish("embed")
    assert done["embed.codebook"] == ["codebook"]
    assert done["embed"] == ["images_000"]
    assert read_outputs(described.run_dir) == before


def test_another_codebook_redoes_the_descriptors(own_run):
    embed = own_run.config.embed.model_copy(update={"seed": 1})
    run = Run(own_run.config.model_copy(update={"embed": embed}), own_run.run_dir)
    done = run.finish("embed")
    assert done["describe"] == []
    assert done["embed.codebook"] == ["codebook"]
    assert done["embed"] == ["images_000", "images_001"]


def test_a_run_without_any_feature_fails_with_a_reason(tmp_path):
    even = encode(Image.new("RGB", (200, 150), "grey"), "PNG")
    write_classes(tmp_path / "gldv2", {7: [even]}, "images_000")
    config = RunConfig.model_validate({"source": {"root": tmp_path / "gldv2"}})
    run = Run(config, tmp_path / "run")
    run.finish("describe")
    assert run.do("embed.codebook")["codebook"].error.startswith("ValueError: ")


def test_an_embedder_that_asks_for_pixels_is_told_to_read_features(described):
    with pytest.raises(NotImplementedError, match="reads features, not pixels"):
        _StoredImage("0" * 16, FeatureStore([])).load_image()
