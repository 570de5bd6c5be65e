"""The desk of one actor: enrol, deposit, grant, revoke, list, open.

``own``       the patient's own side; ``enrol`` how she begins
``deposit``   seal, pin, deal; ``anchoring`` anchor
``proposal``  what would be granted; ``grant`` key boxes, transactions, revocation
``boxes``     the grants that reach a provider; ``labels`` what they list; ``reader`` opening
``group``     the keyholders together; ``person`` who sits at the desk; ``outbox`` what is unfinished
"""

from consentry.client.deposit import Deposited
from consentry.client.desk import Client
from consentry.client.grant import Ended, deliver
from consentry.client.group import Group
from consentry.client.labels import Listing
from consentry.client.person import Person
from consentry.client.proposal import Offered, Proposal
from consentry.client.reader import Opened

__all__ = [
    "Client",
    "Deposited",
    "Ended",
    "Group",
    "Listing",
    "Offered",
    "Opened",
    "Person",
    "Proposal",
    "deliver",
]
