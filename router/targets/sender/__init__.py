"""HTTP clients behind a small protocol: `open_sender` opens one, and nobody else need know which."""

from router.targets.sender.base import READ_BYTES, OpenSender, PromptSender, Reply, Sender, SendError
from router.targets.sender.opening import open_sender

__all__ = ["READ_BYTES", "OpenSender", "PromptSender", "Reply", "SendError", "Sender", "open_sender"]
