"""A believable business to look at LUX with: people, a year of campaigns and what was done with them; `make demo`.

Everything lives in a data folder of its own. Rows that a working LUX would write one by one come from a few large
statements here; what LUX makes in one piece (brand, segments, campaigns) comes from its own functions.
"""
