"""Evaluation sets: what they are, and where their images and queries are read from."""

from manifests.evaluation.gldv2 import read_solution
from manifests.evaluation.image_files import find_image, list_image_names, read_folder
from manifests.evaluation.name_lists import read_distractors
from manifests.evaluation.oxford5k import read_oxford5k
from manifests.evaluation.records import Box, EvaluationQuery, EvaluationSet, GroundTruthError
from manifests.evaluation.revisited import read_ground_truth
from manifests.evaluation.tables import read_query_table

__all__ = [
    "Box",
    "EvaluationQuery",
    "EvaluationSet",
    "GroundTruthError",
    "find_image",
    "list_image_names",
    "read_distractors",
    "read_folder",
    "read_ground_truth",
    "read_oxford5k",
    "read_query_table",
    "read_solution",
]
