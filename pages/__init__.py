"""One file per area of the site: views and nothing else; routes.py says where each hangs and who may enter."""
