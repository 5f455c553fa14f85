"""A believable business to look at LUX with: its people, its year, and what its agents made of it; `make demo`.

Everything lives in a data folder of its own. Rows that a working LUX would write one by one come from a few large
statements here; what LUX makes in one piece (brand, segments, campaigns, posts, articles, plans, tasks, runs of agents)
comes from its own functions, by all their rules; only the dates of what was long ago are set back afterwards.

To add something, write demo/<noun>.py with a function that adds it through LUX and call it in __main__.py.
"""
