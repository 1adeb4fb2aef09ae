"""The web page at `/`, which shows what the server does.

`routes` has its paths, its HTML and its event stream; `assets/` has its files, which the browser gets unchanged (there
is no build step). The page uses the REST API. What the API lacks is under `/-/`, outside the API's paths: a stream of
change events, a light listing of many runs, and the times of a run's steps.
"""
