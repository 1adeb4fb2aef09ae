"""Values: what the stages of the pipeline pass along. No I/O, no third parties."""
