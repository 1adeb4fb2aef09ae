"""Many or large manifests at once: processes of this machine read a share of the files each.

They do what reading a file does anyway, into a catalogue of their own, which becomes part of this command's. Nothing
rests on them: what they don't bring, for whatever reason, is read as if they weren't there.
"""

WORTHWHILE_BYTES = 1_000_000
"""Of manifests to be read for each process: that takes several times as long as a process takes to start."""
