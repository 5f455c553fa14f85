"""What happened, in sums: figures with their intervals, days, funnel, cohorts, links, segments, channels, a forecast.

Sums are made by SQL, statistics by lib/proportions.py and lib/trends.py, none by a model. To add a view of the data,
write its function in the file of its noun and show it in pages/analytics.py.
"""
