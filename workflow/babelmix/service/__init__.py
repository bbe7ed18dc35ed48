"""Every call of a paid or served model: settings, prices, ledger, limits, retries, client.

Callers (judges, chat translators, served answers) build messages and read replies; what is paid,
waited for, tried again and journalled is decided here. Nothing here imports a station.
"""

from .batch import ask_in_batches
from .chat import ChatService, require_complete
from .failures import Failure, IncompleteError, ServiceStoppedError
from .ledger import CapReachedError, Ledger, spending_folder, study_folder
from .replies import Reply, Request

__all__ = [
    "CapReachedError",
    "ChatService",
    "Failure",
    "IncompleteError",
    "Ledger",
    "Reply",
    "Request",
    "ServiceStoppedError",
    "ask_in_batches",
    "require_complete",
    "spending_folder",
    "study_folder",
]
