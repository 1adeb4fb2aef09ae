"""The page at `/`: what the server does, for people to look at.

`routes` has its paths, its HTML and its stream, `assets/` what it loads (no build step: the files are what the browser
gets). The page works through the REST API; under `/-/`, where no path of the API can be, is what
that has not: a stream that tells of changes, a light listing of many runs, and when each step of a run took place.
"""
