"""Lists of image names in plain text, one a line, as the older benchmarks use them."""

from pathlib import Path

from manifests.evaluation.records import EvaluationSet, GroundTruthError, check_names


def read_lines(path: Path, what: str) -> list[str]:
    """The lines of a text file that are not empty, without the blanks around them.

    Args:
        path: the file.
        what: what it is, for the message.

    Raises:
        GroundTruthError: the file is missing or is no text.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GroundTruthError(
            f"{path}: not readable as {what} ({error}); correct the path or fetch the file again"
        ) from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_distractors(path: Path, name: str) -> EvaluationSet:
    """Read a list of distractors, such as ``revisitop1m.txt`` (Radenovic et al. 2018).

    Returns:
        A set with a database and without queries.

    Raises:
        GroundTruthError: the list is missing or empty, or a name occurs twice or leads out of the
            image folder.
    """
    names = read_lines(path, "a list of images")
    if not names:
        raise GroundTruthError(f"{path}: names no image; fetch the list again")
    check_names(path, "the list", names)
    return EvaluationSet(name, tuple(names), ())
