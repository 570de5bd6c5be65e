"""The contracts once more, in plain Python: what each call does and by which error it is refused.

It keeps its own state and reads nothing back from the chain but the hash of the newest block, out of which
epochs are made. Whether a use is allowed it asks the package's own rule (`consentry.consent.rule`).
"""
