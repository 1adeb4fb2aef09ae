"""The log of a state's commits in a place that many machines can reach: a bucket, or PostgreSQL.

    opening.py       a URL -> a backend; which library it needs
    log.py           what is decided above every backend: whose bytes stand there, retries, deadlines
    objects.py       S3 and compatible, Google Cloud Storage, Azure Blob Storage (obstore)
    bucket_setup.py  what of a bucket's rules would delete a state
    postgres.py      PostgreSQL (psycopg); its connections are beside it
    probe.py         whether a store keeps its promises: one winner, no stale write

Nothing here knows what an entry says. The libraries are optional, and imported by the backend that needs them.
"""
