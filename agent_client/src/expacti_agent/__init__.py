"""Run a command only after Expacti said yes.

from expacti_agent import Client, CommandSpec

with Client() as client:
    result = client.run(CommandSpec(argv=("ls", "-l"), reason="look around"), capture=True)
"""

from expacti_agent.aclient import AsyncClient
from expacti_agent.canonical import CanonicalError, canonical
from expacti_agent.client import Client
from expacti_agent.command import Command
from expacti_agent.digest import Bound, digest_of
from expacti_agent.errors import (
    AlreadyConsumedError,
    ApiError,
    CommandNotFoundError,
    ConfigError,
    DeniedError,
    ExecutionError,
    ExpactiError,
    ExpiredError,
    GrantRefusedError,
    InsecureServerError,
    InvalidRequestError,
    KeyNotTrustedError,
    LedgerError,
    NotGrantedError,
    ProtocolError,
    UnreachableError,
)
from expacti_agent.execute import Result
from expacti_agent.flow import Progress
from expacti_agent.grants import Grant
from expacti_agent.request import CommandSpec, Request
from expacti_agent.settings import Settings, load_settings
from expacti_agent.verify import Report, verify_export
from expacti_agent.visible import visible

__all__ = [
    "AlreadyConsumedError",
    "ApiError",
    "AsyncClient",
    "Bound",
    "CanonicalError",
    "Client",
    "Command",
    "CommandNotFoundError",
    "CommandSpec",
    "ConfigError",
    "DeniedError",
    "ExecutionError",
    "ExpactiError",
    "ExpiredError",
    "Grant",
    "GrantRefusedError",
    "InsecureServerError",
    "InvalidRequestError",
    "KeyNotTrustedError",
    "LedgerError",
    "NotGrantedError",
    "Progress",
    "ProtocolError",
    "Report",
    "Request",
    "Result",
    "Settings",
    "UnreachableError",
    "canonical",
    "digest_of",
    "load_settings",
    "verify_export",
    "visible",
]
__version__ = "0.1.0"
