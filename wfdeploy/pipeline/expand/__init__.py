"""Third stage: documents into declared runs, with defaults merged and expressions evaluated."""
