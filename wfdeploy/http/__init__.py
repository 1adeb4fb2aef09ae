"""HTTP/1.1 as both ends of the API need it, without any reading of what is said.

    message.py     requests as bytes, bytes as answers, without I/O
    connection.py  one connection, one exchange at a time, and nothing left to the kernel
    pool.py        connections made, directly or through a proxy, kept and given up

httpx lends the vocabulary: URLs and exceptions. llhttp (httptools) parses. h11, which
httpx brings, takes 100 us for an exchange, as much as all else that a request costs, and llhttp 6. It is one more
dependency, of about a megabyte and without any of its own, built for all platforms that we run on.

A delivery given up drops what its kernel holds, just as a trigger does: it is tried again, and what was held up should
not arrive beside the next attempt.
"""
