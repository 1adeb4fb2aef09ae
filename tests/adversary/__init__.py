"""The adversary: each assumption of docs/guarantees.md, "What it rests on", is violated on purpose.

A test says what happens then: the promise is held all the same, or it is broken in the way that the page names ("When
an assumption is wrong"). So it is known what each assumption is good for, and a change that leans on one more, or on
one less, is noticed here. All of it runs in virtual time against a model of the server; nothing is random.

1. `test_lateness.py`: a request that arrives, or a run that shows, later than `logLag`.
2. `test_refusals.py`: runs that were started and refused.
3. `test_memory.py`: a lost state, logs that forget, both.
4. `test_memory.py`: a queued run that the logs don't show, and a lost state.
5. `test_reservation.py`: a server that starts a second run under an id in use, or calls deduplicated what never was.
6. `test_writers.py`: two writers at once, on one state and on two.
7. `test_disk_and_clock.py`: commits that vanish, a machine that is set back while it runs, logs dated by another clock.
8. `test_labels.py`: logs without labels.

`test_checkouts.py` is about files that a pull request brings (docs/security.md).
"""
