"""Evidence that a stranger can check without trusting this software's operators.

``replay``  what the contracts held at any block, from their events alone
``acts``    what each actor did, in order; ``glass`` what was opened without a grant
``deals``   what was dealt; ``endings`` what ended grants left their grantees
``audit``   entries, releases, journals and blobs held against each other
``report``  the findings as one self-contained page
"""

from consentry.evidence.audit import Journal, Known, audit
from consentry.evidence.model import Access, Attempt, Consent, Ending, Finding, Glass, Report, Trial
from consentry.evidence.report import write_report

__all__ = [
    "Access",
    "Attempt",
    "Consent",
    "Ending",
    "Finding",
    "Glass",
    "Journal",
    "Known",
    "Report",
    "Trial",
    "audit",
    "write_report",
]
