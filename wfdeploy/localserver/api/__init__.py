"""The paths of the API: a class for each part of it, and the door through which work comes in."""
