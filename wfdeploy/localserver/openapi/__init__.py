"""The types of the tables that become the server's routes and its OpenAPI document.

`operations` defines an operation, a parameter, an answer; `schemas` the bodies; `params` the shared parameters. Each
module of `api` ends with its own table.
"""
