"""Documents into declared runs, with defaults merged and expressions evaluated."""
