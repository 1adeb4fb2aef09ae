"""HTTP/1.1 for both ends of the API. This package knows nothing about the API itself.

    message.py     requests to bytes, bytes to answers, without I/O
    connection.py  one connection with one exchange at a time, which leaves nothing to the kernel
    pool.py        connections: opened directly or through a proxy, kept, closed

URLs and exceptions are httpx's. llhttp (httptools) parses: an exchange takes it 6 us, and h11, which comes with httpx,
100 us, as much as everything else in a request. httptools is one more dependency of about a megabyte, without any of
its own, built for all platforms that wfdeploy supports.

Both a trigger and a delivery that are given up drop their bytes in the kernel's queue: they are tried again, and the
old bytes must not arrive beside the next attempt.
"""
