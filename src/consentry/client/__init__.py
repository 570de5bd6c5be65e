"""The desk of one actor: enrol, deposit, grant, revoke, list, open.

``own``      the patient's own side
``deposit``  seal, pin, deal, anchor
``grant``    proposals, key boxes, transactions, revocation
``reader``   opening by a provider
``group``    the keyholders together; ``person`` who sits at the desk; ``outbox`` what is unfinished
"""

from consentry.client.deposit import Deposited
from consentry.client.desk import Client
from consentry.client.grant import Ended, Offered, Proposal, deliver
from consentry.client.group import Group
from consentry.client.person import Person
from consentry.client.reader import Listing, Opened

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
