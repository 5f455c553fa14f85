"""The suite mirrors the tree; conftest.py gives the real parts, makers.py makes rows, fakes/ holds servers."""
