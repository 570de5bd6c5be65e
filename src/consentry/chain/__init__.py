"""The chain: where the contracts are, how to ask and send, and what they said.

``manifest``    the contracts that the package ships
``deployments`` which contracts stand on which chain
``node``        a connection that never waits for ever; what goes wrong there
``refusals``    a contract's own error inside a client's exception
``transaction`` what one does, costs, and became
``underway``    what was sent and not seen mined, written down
``sending``     one transaction at a time, looked after until it is mined
``proof``       a block's header and receipts, held against its hash
``rpc``         one deployment's contracts: calls, transactions, events
``endpoint``    one endpoint of several, with a thread of its own
``endpoints``   several that must agree, and how each does
``agreed``      one deployment's contracts, as several endpoints agree on them
``contracts``   what the core asks the contracts, in its own words
``signers``     a local key as a signer
"""

from consentry.chain.contracts import Chain
from consentry.chain.deployments import Deployed, Deployments
from consentry.chain.endpoints import EndpointHealth, Endpoints
from consentry.chain.node import connect
from consentry.chain.signers import LocalSigner

__all__ = ["Chain", "Deployed", "Deployments", "EndpointHealth", "Endpoints", "LocalSigner", "connect"]
