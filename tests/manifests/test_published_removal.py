from manifests.reference.published_removal import (
    GLDV2_CLEAN,
    RGLDV2_CLEAN,
    read_published_classes,
)


def test_the_classes_add_up_to_the_printed_totals():
    classes = read_published_classes()
    images = sum(c.images for c in classes)
    assert len({c.landmark_id for c in classes}) == len(classes)
    assert GLDV2_CLEAN.images - images == RGLDV2_CLEAN.images
    assert GLDV2_CLEAN.classes - len(classes) == RGLDV2_CLEAN.classes


def test_cities_and_channels_add_up_as_table_2_says_of_images():
    # Song et al. 2024, Table 2: 1,227 images by Paris queries, 315 by Oxford queries, 23 by name.
    sums = {}
    for c in read_published_classes():
        key = c.found_by if c.found_by == "text" else c.city
        sums[key] = sums.get(key, 0) + c.images
    assert sums == {"Paris": 1227, "Oxford": 315, "text": 23}
