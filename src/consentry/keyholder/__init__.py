"""Keyholders: n independent services, t of which together release a record's second half.

``roster``   who they are (keyholders.json)
``messages`` what they are asked and what they answer
``journal``  the signed, hash-chained rows of what they did
``held``     one record as they hold it
``vault``    what they hold (SQLite, PostgreSQL)
``checks``   what each checks before it takes a deal or releases a share
``service``  one keyholder
``local``    all of them in one process, for development
"""
