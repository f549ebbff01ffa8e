"""Verify: fold the ledger again and hold every decision that was recorded to the one that comes out."""

from dualgate.lab.verify.archive import recomputed, unread, verify_archive
from dualgate.lab.verify.compare import INTERVAL_TOLERANCE, compare
from dualgate.lab.verify.ledger import Line
from dualgate.lab.verify.verdict import Recorded, verify

__all__ = ["INTERVAL_TOLERANCE", "Line", "Recorded", "compare", "recomputed", "unread", "verify", "verify_archive"]
