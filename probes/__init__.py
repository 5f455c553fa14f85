"""Trying things out without doing anything: views, dependencies and traffic, and what their results prove.

To let a view be probed, give it a Probe in its row of routes.py; to watch a dependency, add it to DEPENDENCIES.
"""
