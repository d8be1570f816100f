"""The folder of an audit: where its steps work, and the settings that it was last started with."""

from pathlib import Path
from typing import Final

from pydantic import ValidationError

from manifests.atomic import write_text
from manifests.yaml_settings import describe_problems
from pipelines.audit.settings import AuditConfig
from pipelines.run_folder import RunFolderError

WORK_FOLDER: Final = "work"
"""In the folder of the certificate."""
_CONFIG_FILE: Final = "audit.json"


def write_audit_config(work_dir: Path, config: AuditConfig) -> None:
    """Record the resolved settings."""
    write_text(work_dir / _CONFIG_FILE, config.model_dump_json(indent=1) + "\n")


def is_audit_folder(out: Path) -> bool:
    """Whether an audit has been started in this folder."""
    return is_work_folder(out / WORK_FOLDER)


def is_work_folder(folder: Path) -> bool:
    """Whether an audit works in this very folder."""
    return (folder / _CONFIG_FILE).is_file()


def read_audit_config(out: Path) -> AuditConfig:
    """The settings that the audit was last started with.

    Raises:
        RunFolderError: they cannot be understood.
    """
    path = out / WORK_FOLDER / _CONFIG_FILE
    try:
        return AuditConfig.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problems = "; ".join(describe_problems(error, "docs/audit.md"))
        raise RunFolderError(
            f"{path}: {problems} (written by another version?); run the audit again"
        ) from error
