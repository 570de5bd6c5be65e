"""Consent: what a grant says, when it holds, and what it delivers.

``terms``  the terms of a grant, their reading and their id
``rule``   when terms allow a use: the same rule as the contracts', on plain values
``card``   who a grantee is: cards signed by an authority
``box``    the key box that a grant delivers to its grantee
"""
