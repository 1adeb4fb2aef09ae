"""The protocol of shared states, walked through: a model of it exhaustively, the real code at random."""
