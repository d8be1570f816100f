from concurrent.futures import ThreadPoolExecutor

from planted_features import draw_points, make_descriptors, make_features

from curation.matchable_features import MatchableFeatures
from curation.prepared_images import PreparedImages


def describe(image_id):
    seed = int(image_id)
    return make_features(draw_points(seed, 10), descriptors=make_descriptors(seed, 10))


def open_images(budget_bytes):
    loaded = []

    def load(image_id):
        loaded.append(image_id)
        return describe(image_id)

    return PreparedImages(load, budget_bytes), loaded


def test_an_image_is_prepared_once():
    images, loaded = open_images(1 << 20)
    assert images["1"] is images["1"]
    assert images["2"] is not images["1"]
    assert loaded == ["1", "2"]


def test_those_asked_for_longest_ago_make_room():
    images, loaded = open_images(2 * images_bytes())
    for image_id in ("1", "2", "1", "3", "1", "2"):
        assert (images[image_id].features.geometry == describe(image_id).geometry).all()
        assert len(images) <= 2
    assert loaded == ["1", "2", "3", "2"]


def images_bytes():
    return MatchableFeatures(describe("1")).num_bytes


def test_what_is_derived_from_images_later_on_counts_as_well():
    images, _ = open_images(4 * images_bytes())
    sizes = []
    for number in range(40):
        prepared = images[str(number)]
        # Whole descriptors and sketches: more than twice what an image takes at first.
        prepared.get_sketches(10)
        for sides in (prepared.descriptors, prepared.get_sketches(10)):
            for end in range(2, 11):
                sides.index_between(0, end)
        sizes.append(sum(images[str(n)].num_bytes for n in range(number, number - len(images), -1)))
    assert prepared.num_bytes > 2 * images_bytes()
    assert max(sizes[8:]) <= 4 * images_bytes()


def test_an_image_larger_than_the_budget_is_prepared_all_the_same():
    images, _ = open_images(1)
    for image_id in "12":
        assert len(images[image_id]) == 10
        assert len(images) == 1


def test_no_image_is_prepared_for_two_threads():
    """Compiled code reads at addresses in what another thread would derive anew."""
    images, loaded = open_images(1 << 20)
    own = images["1"]
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(images.__getitem__, "1").result()
        assert other is not own
        assert pool.submit(images.__getitem__, "1").result() is other
    assert images["1"] is own
    assert loaded == ["1", "1"]
