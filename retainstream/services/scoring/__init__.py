"""The score job: scores customers with the champion, keeps the history, and puts all latest scores in force in one commit.

    job         the order of a run, and what becomes of one that was killed or cancelled
    reading     who is to be scored, by which model, and from what
    single      one customer as a forward-looking model sees them
    standings   who is a customer at a time and who has left, by the rule of a forward-looking model
    computing   scores, places, reasons and sums
    writing     what of it is stored, and when it counts

Heavy work happens between units of work. Until the last commit a run is `running` and nobody sees its rows; one that was killed is marked
abandoned and its history removed by the next attempt. Presenting scores is `services.predictions`, scoring as of a past day `services.replay`.
"""

from __future__ import annotations

from retainstream.services.scoring.computing import PREDICTED_FROM_BAND, REASONS_KEPT
from retainstream.services.scoring.job import run

__all__ = ["PREDICTED_FROM_BAND", "REASONS_KEPT", "run"]
