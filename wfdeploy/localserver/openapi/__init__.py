"""What the server says about itself: the words of the tables from which its routes and its OpenAPI document come.

`operations` has an operation, a parameter, an answer; `schemas` the shapes of bodies, `params` what several operations
take. The tables stand in `api`, each below what answers its operations.
"""
