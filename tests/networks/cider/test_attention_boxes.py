import pytest
import torch

from benchmarks.attention_boxes import run


@pytest.mark.slow
def test_trained_attention_finds_the_landmark_that_nobody_boxed(record_property):
    torch.set_num_threads(1)
    found = run(120)
    before, after = found["untrained"], found["trained"]
    record_property("untrained", before)
    record_property("trained", after)
    assert found["training_accuracy"] > 0.9
    assert after["mean_overlap_of_box"] > before["mean_overlap_of_box"] + 0.1
    # An attention that looks anywhere has as much on the landmark as the landmark has of the image.
    share = found["landmark_share_of_image"]
    assert before["share_of_attention_on_landmark"] < 1.6 * share
    assert after["share_of_attention_on_landmark"] > 1.6 * share
