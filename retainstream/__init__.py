"""RetainStream: who is about to leave, why, what to do today, and whether it worked."""

__version__ = "0.1.0"
