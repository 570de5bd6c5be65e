"""Consentry: health records that patients control, on an EVM chain. No key without a log entry.

Nothing is imported here, so that a command starts at once; the desks are `consentry.client.Client`,
`consentry.admin.Admin` and `consentry.evidence.audit`, the errors `consentry.errors`.
"""
