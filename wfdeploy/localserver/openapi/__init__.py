"""What the server says about itself: one table of its operations, from which its routes and its OpenAPI document come.

`operations` has the words (an operation, a parameter, an answer), `schemas` the shapes of bodies, `params` what several
operations take; `runs`, `dead_letters` and `control` are the table. `api.routes` makes both of it.
"""
