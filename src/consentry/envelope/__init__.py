"""What the keyholders hold of a segment: statements, and one envelope a deposit.

``statement``  a patient's signed word on a segment: its key version and keys
``leaf``       one record in an envelope: its two halves, wrapped keys, salts, commitments, label
``anchor``     what stands on chain of records
``deposit``    the envelope as a whole, and the part of it that goes to one keyholder
"""
