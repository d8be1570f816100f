"""How files are fetched. Nothing here changes what is fetched."""

from pydantic import Field

from manifests.strict_model import StrictModel

_MEBIBYTE = 1 << 20


class FetchSettings(StrictModel):
    """Connections, patience and care."""

    connections: int = Field(4, ge=1, le=32)
    """Files fetched at the same time, and connections to one host."""
    connect_timeout_seconds: float = Field(15.0, gt=0)
    """A server that does not answer a call within this time is called again later."""
    read_timeout_seconds: float = Field(60.0, gt=0)
    """A connection that is silent for longer has stalled; it is dropped and resumed."""
    max_attempts: int = Field(8, ge=1)
    """Attempts in a row that bring nothing new before a file is given up."""
    backoff_seconds: float = Field(1.0, gt=0)
    """Longest pause after the first failure; doubled after each further one."""
    max_backoff_seconds: float = Field(120.0, gt=0)
    """No pause is longer, unless the server asks for it."""
    max_retry_after_seconds: float = Field(3600.0, gt=0)
    """A server that asks to wait for longer ends the attempts on a file."""
    sync_every_bytes: int = Field(16 * _MEBIBYTE, ge=1)
    """How much is written between two moments from which a killed download can go on."""
    margin_bytes: int = Field(1024 * _MEBIBYTE, ge=0)
    """Disk space that must remain free."""
