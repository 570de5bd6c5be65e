"""Keyholders: n independent services, t of which together release a record's second half.

``roster``   who they are (keyholders.json)
``messages`` what they are asked and what they answer
``journal``  the signed, hash-chained rows of what they did
``card``     one of them, as it presents itself
``held``     one record as they hold it
``vault``    what they hold (SQLite, PostgreSQL)
``checks``   what each checks before it takes a deal or releases a share
``service``  one keyholder
``handover`` what it gives to those that come after it
``joining``  how those take it over, what others signed (``taking``) and the records
``leaving``  how it lets go of what they hold
``local``    all of them in one process, for development
"""
