"""Keys: what binds them to a deployment, how they wrap, split and rest, and what people sign.

``binding``  the deployment and the ``info`` string that every derived or wrapped key carries
``hpke``     X-Wing key pairs, wraps, HKDF and one-time AES-GCM
``shamir``   shares of a record's second half
``typed``    EIP-712 messages of the key side, their signatures and who made them
``files``    how what must last is written
``keyring``  the secret side of a person, sealed with a passphrase
"""
