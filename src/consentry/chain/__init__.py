"""The chain: where the contracts are, how to ask and send, and what they said.

``manifest``    the contracts that the package ships
``deployments`` which contracts stand on which chain
``rpc``         one web3 connection: calls, transactions, events, named errors
``contracts``   what the core asks the contracts, in its own words
``signers``     a local key as a signer
"""

from consentry.chain.contracts import Chain
from consentry.chain.deployments import Deployed, Deployments
from consentry.chain.signers import LocalSigner

__all__ = ["Chain", "Deployed", "Deployments", "LocalSigner"]
