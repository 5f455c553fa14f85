"""The library of pictures: uploaded ones, and ones that LUX draws; to add a layout, see layouts/base.py."""
