"""Compare what is declared with what is known: pure functions from runs and state to a plan."""
